#!/usr/bin/env bash
# Version: evlib 0.13.2, numpy 2.4.6.
#
# Behaviour: `save_events_to_text` and `save_events_to_hdf5` take the same arrays; the documentation's examples give the
# times "in seconds" to both, to HDF5 "with perfect round-trip compatibility". `load_events` takes those of a text file
# for seconds, and those of the HDF5 file for microseconds, cut off to whole ones.
#
# Seen: five events at 0.25, 0.5, 0.75, 1.5 and 2.25 s. From text they come back. From HDF5 they are at 0, 0, 0, 1 and 2
# us. In microseconds it is the other way round: they come back from HDF5, and from text as 2.9 days and more.
#
# Why it matters: a recording saved for later is an instant when it is loaded. All of it falls into one bin, evlib's own
# filters, which take seconds, find everything before 1 ms, and the times are gone from what `load_events` returns.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 h5py==3.16.0 hdf5plugin==7.1.0 polars==2.1.0 pyarrow==26.0.1 evlib==0.13.2 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import evlib
import numpy as np

print("evlib", version("evlib"), "numpy", version("numpy"))

seconds = np.array([0.25, 0.5, 0.75, 1.5, 2.25])
x, y, polarity = np.arange(5), np.arange(5), np.array([1, -1, 1, 1, -1])
seen = {}
for unit, factor in (("seconds", 1), ("microseconds", 1_000_000)):
    for suffix, save in (("txt", evlib.save_events_to_text), ("h5", evlib.save_events_to_hdf5)):
        save(x, y, factor * seconds, polarity, f"events.{suffix}")
        loaded = evlib.load_events(f"events.{suffix}").collect()
        times = loaded["t"].dt.total_microseconds().to_list()
        seen[unit, suffix] = times
        print(f"times given in {unit}, {suffix}: expected {[int(1e6 * time) for time in seconds]} us, "
              f"seen {times}")

expected = [250_000, 500_000, 750_000, 1_500_000, 2_250_000]
if seen["seconds", "txt"] != expected or seen["microseconds", "h5"] != expected:
    sys.exit("changed: seconds in text, or microseconds in HDF5, no longer come back")
if seen["seconds", "h5"] != [0, 0, 0, 1, 2]:
    sys.exit("changed: times in seconds are no longer cut off to whole microseconds in HDF5")
if seen["microseconds", "txt"] != [1_000_000 * time for time in expected]:
    sys.exit("changed: times in microseconds are no longer taken for seconds in text")
print("as stated")
PY
