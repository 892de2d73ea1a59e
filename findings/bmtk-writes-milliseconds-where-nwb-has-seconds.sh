#!/usr/bin/env bash
# Version: bmtk 1.2.0, pynwb 4.2.0, h5py 3.16.0.
#
# Behaviour: `SpikeTrains.to_nwb` writes spike times as they are. bmtk has them in milliseconds, NWB in seconds: its
# schema says "the spike times for each unit in seconds", and has no attribute for another unit. Nothing is converted,
# and there is no warning. SONATA files of bmtk say "ms" beside their times.
#
# Seen: a node that fires at 10, 30 and 1000 ms. In the NWB file its unit fires at 10, 30 and 1000 s for 0.01, 0.03 and
# 1 s. Spike trains made in seconds are written right.
#
# Why it matters: NWB is how simulations are compared with recordings. A simulation is 1,000 times slower there than the
# recording beside it: rates of 5 Hz become 0.005 Hz, and windows around stimuli are empty.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 pandas==3.1.1 h5py==3.16.0 scipy==1.17.1 bmtk==1.2.0 pynwb==4.2.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import pynwb
from bmtk.utils.reports.spike_trains import SpikeTrains

print(*(f"{name} {version(name)}" for name in ("bmtk", "pynwb", "h5py")))
SECONDS = [0.01, 0.03, 1.0]

seen = {}
for units, factor in (("ms", 1000.0), ("s", 1.0)):
    trains = SpikeTrains(default_population="v1", units=units)
    trains.add_spikes([0, 0, 0], [factor * second for second in SECONDS])
    trains.to_nwb(f"{units}.nwb")
    with pynwb.NWBHDF5IO(f"{units}.nwb", "r") as io:
        file = io.read()
        seen[units] = [float(time) for time in file.units.get_unit_spike_times(0)]
        schema = file.units["spike_times"].target.description
    print(f"spike trains in {units}: expected {SECONDS} s, seen {seen[units]}; the schema says {schema!r}")

if "seconds" not in schema:
    sys.exit("changed: the unit of spike times in NWB")
if seen["s"] != SECONDS:
    sys.exit("changed: spike trains in seconds are no longer right")
if seen["ms"] != [1000 * second for second in SECONDS]:
    sys.exit("changed: spike trains in milliseconds are no longer written as they are")
print("as stated")
PY
