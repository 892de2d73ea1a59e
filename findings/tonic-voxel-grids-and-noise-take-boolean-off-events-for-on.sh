#!/usr/bin/env bash
# Version: tonic 1.7.0.
#
# Behaviour: tonic's own readers and many of its data sets (DVS Gesture, N-MNIST, CIFAR10-DVS) have
# polarities as booleans. ToVoxelGrid, documented for them, adds ON events and subtracts OFF events: it
# writes -1 over polarities of 0, which in a field of booleans is True, so that OFF events are added as
# well. UniformNoise draws polarities from 0 to 2 and stores them in the field: a boolean is True for all
# but 0.0, so that its noise has no OFF events. With polarities as integers both do what they say.
#
# Seen: as many ON as OFF events, 10,000 in all. The voxel grid adds up to 0 for integers and to about
# 9,000 for booleans; 10,000 events of noise have about 5,000 ON events for integers and 10,000 for booleans.
#
# Why it matters: a network is trained on grids in which the sign of the change is lost, and with noise that
# no camera has. No error shows it, and shapes and types are right.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 tonic==1.7.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from tonic.transforms import ToVoxelGrid, UniformNoise

print("tonic", version("tonic"), "numpy", version("numpy"))

SENSOR, COUNT = (32, 32, 2), 10_000
generator = np.random.default_rng(0)
np.random.seed(0)

def recording(polarities):
    """Return a recording with as many ON as OFF events."""
    events = np.zeros(COUNT, np.dtype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", polarities)]))
    events["x"], events["y"] = generator.integers(0, 32, (2, COUNT))
    events["t"] = np.sort(generator.integers(0, 1_000_000, COUNT))
    events["p"] = np.arange(COUNT) % 2
    return events

seen = {}
for name, polarities in (("booleans", "?"), ("integers", "i1")):
    events = recording(polarities)
    total = ToVoxelGrid(sensor_size=SENSOR, n_time_bins=5)(events).sum()
    noisy = UniformNoise(sensor_size=SENSOR, n=COUNT)(events)
    seen[name] = float(total), int(noisy["p"].sum()) - COUNT // 2
    print(f"{name}: expected a sum near 0 and 5000 ON events of noise, seen {total:.0f} and {seen[name][1]}")

if not (abs(seen["integers"][0]) < 100 and 4800 < seen["integers"][1] < 5200):
    sys.exit("changed: polarities as integers are not as expected")
if not (seen["booleans"][0] > 8500 and seen["booleans"][1] == COUNT):
    sys.exit("changed: boolean OFF events are no longer taken for ON")
print("as stated")
PY
