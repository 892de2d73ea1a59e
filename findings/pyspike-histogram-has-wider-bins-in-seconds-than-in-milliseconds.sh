#!/usr/bin/env bash
# Version: pyspike 0.9.0, numpy 2.4.6.
#
# Behaviour: `psth(spike_trains, bin_size)` cuts duration / bin_size off to a whole number of bins and then stretches
# the bins over the whole duration. Where the quotient is a whole number but rounded below it, as 0.3 / 0.1, there is
# one bin fewer, and all bins are wider than was asked. A bin size that does not divide the duration is treated alike.
#
# Seen: one spike in the middle of each tenth of a second. For 0.6 s and bins of 0.1 s there are 5 bins of 0.12 s, with
# 1, 1, 2, 1 and 1 spikes; the same in milliseconds gives 6 bins of 100 with 1 spike each. For 1 s and bins of 0.3 s
# there are 3 bins of 0.333 s.
#
# Why it matters: counts divided by the bin size that was given are rates a fifth too high, a neuron that fires
# steadily has a peak, and histograms of two recordings, or of one in two units, do not have the same bins.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 pyspike==0.9.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
import pyspike

print("pyspike", version("pyspike"), "numpy", version("numpy"))

def histogram(tenths, bin_size, unit):
    times = (np.arange(tenths) + 0.5) * 100 / unit
    profile = pyspike.psth([pyspike.SpikeTrain(times, tenths * 100 / unit)], bin_size * 100 / unit)
    return round(float(np.diff(profile.x)[0]) * unit), [int(count) for count in profile.y]

seen = {}
for tenths, bin_size in ((6, 1), (10, 1), (10, 3)):
    for unit, name in ((1, "milliseconds"), (1000, "seconds")):
        seen[tenths, bin_size, name] = histogram(tenths, bin_size, unit)
        width, counts = seen[tenths, bin_size, name]
        print(f"{tenths * 100} ms, bins of {bin_size * 100} ms, given in {name}: expected bins of {bin_size * 100} ms, "
              f"seen {len(counts)} of {width} ms with {counts} spikes")

if seen[6, 1, "milliseconds"] != (100, [1] * 6) or seen[10, 1, "seconds"] != (100, [1] * 10):
    sys.exit("changed: bins that were right are no longer right")
if seen[6, 1, "seconds"] != (120, [1, 1, 2, 1, 1]) or seen[10, 3, "seconds"][0] != 333:
    sys.exit("changed: bins are no longer stretched")
print("as stated")
PY
