#!/usr/bin/env bash
# Version: tonic 1.7.0.
#
# Behaviour: SpatialJitter adds Gaussian noise of mean 0 to coordinates, which are whole numbers. The sums are
# cut off, not rounded: each coordinate loses half a pixel on average, to the left and to the top.
#
# Seen: 100,000 events over 128 x 128 pixels, variance 1 in both directions: the mean of x and of y falls by
# 0.5. With a variance of 0.01, where no event should move, a half of all coordinates fall by 1.
#
# Why it matters: training samples, which are augmented, lie half a pixel beside test samples, which are not;
# on 34 x 34 pixels that is a shift of 1.5 %. A small variance does not mean a small jitter.
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
from tonic.transforms import SpatialJitter

print("tonic", version("tonic"), "numpy", version("numpy"))

COUNT = 100_000
generator = np.random.default_rng(0)
events = np.zeros(COUNT, np.dtype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "?")]))
events["x"], events["y"] = generator.integers(5, 123, (2, COUNT))  # away from the borders
events["t"] = np.arange(COUNT)

np.random.seed(0)
seen = {}
for variance in (1.0, 0.01):
    after = SpatialJitter(sensor_size=(128, 128, 2), var_x=variance, var_y=variance)(events)
    moves = np.stack([after[axis].astype(int) - events[axis] for axis in "xy"])
    seen[variance] = moves.mean(axis=1), (moves == -1).mean()
    print(f"variance {variance}: expected means near 0, seen {moves.mean(axis=1).round(3)}; "
          f"{(moves == -1).mean():.0%} of the coordinates are one less")

if not all((abs(means + 0.5) < 0.02).all() for means, _ in seen.values()):
    sys.exit("changed: coordinates no longer fall by half a pixel on average")
if not 0.48 < seen[0.01][1] < 0.52:
    sys.exit("changed: a small variance no longer moves every second coordinate")
print("as stated")
PY
