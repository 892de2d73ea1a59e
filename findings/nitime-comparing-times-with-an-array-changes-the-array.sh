#!/usr/bin/env bash
# Version: nitime 0.12.1, numpy 2.4.6.
#
# Behaviour: A TimeArray counts in picoseconds. Where it is added to, subtracted from or compared with an array without
# a unit, the array is meant in the unit of the TimeArray, and is converted in place: the caller's array is multiplied
# by 1e12, once for each operation. Numbers and lists are converted as copies.
#
# Seen: spikes at 1, 2 and 3 s. `spikes + [1, 1, 1]` given as an array is 2, 3 and 4 s, and the array then holds 1e12.
# The same line again gives 2,003,765 s and more, for 1e24 does not fit into 64 bits. `spikes > limits` with limits of
# 1.5 s is right the first time and says that no spike is later the second time; the limits are then 1.5e24.
#
# Why it matters: delays, stimulus times or thresholds are compared with one train after the other in a loop. The first
# neuron is right, all others are nonsense, and so is all that uses the array later.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 scipy==1.17.1 matplotlib==3.11.2 nitime==0.12.1 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from nitime.timeseries import TimeArray

print("nitime", version("nitime"), "numpy", version("numpy"))

def seconds(times):
    return (np.asarray(times) / 1e12).tolist()

spikes = TimeArray([1, 2, 3], time_unit="s")
delays, limits = np.array([1, 1, 1]), np.array([1.5, 1.5, 1.5])
sums = [seconds(spikes + delays) for _ in range(2)]
later = [(spikes > limits).tolist() for _ in range(2)]
from_list = [seconds(spikes + [1, 1, 1]) for _ in range(2)]
for number in range(2):
    print(f"time {number + 1}: expected [2.0, 3.0, 4.0] s, seen {sums[number]}; from a list {from_list[number]}")
for number in range(2):
    print(f"time {number + 1}: expected [False, True, True] for later than 1.5 s, seen {later[number]}")
print(f"delays: expected [1, 1, 1], seen {delays.tolist()}; limits: expected [1.5, 1.5, 1.5], seen {limits.tolist()}")

if sums[0] != [2.0, 3.0, 4.0] or later[0] != [False, True, True] or from_list != [[2.0, 3.0, 4.0]] * 2:
    sys.exit("changed: the first result, or that from a list, is no longer right")
if sums[1] == sums[0] or later[1] != [False] * 3 or (delays == 1).any() or not np.allclose(limits, 1.5e24):
    sys.exit("changed: the array is no longer multiplied in place")
print("as stated")
PY
