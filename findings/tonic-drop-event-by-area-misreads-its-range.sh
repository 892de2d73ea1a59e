#!/usr/bin/env bash
# Version: tonic 1.7.0.
#
# Behaviour: DropEventByArea removes the events of a random box whose sides are area_ratio of
# the sensor's. A pair is documented as a range, drawn from [min, max). What is drawn is the
# range from max to 1 (and from 0 to 1 where min is 0): the two ends are joined by `and`, and
# what is left is taken as the lower end alone. EventDrop, which has its ratios built in, is
# not affected, nor DropEventByTime, whose pair is right.
#
# Seen: 34 x 34 pixels with one event each, area_ratio=(0.1, 0.2), 2,000 draws. The box should
# take at most 6 of 34 pixels a side, 3 % of the events. It takes 3 to 94 %, on average 39 %.
#
# Why it matters: an augmentation meant to hide a corner hides a third of each recording, and
# now and then nearly all of it. Nothing shows but a worse score.
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
from tonic.transforms import DropEventByArea

print("tonic", version("tonic"), "numpy", version("numpy"))

SIDE, DRAWS = 34, 2000
events = np.zeros(SIDE * SIDE, np.dtype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "?")]))
events["x"], events["y"] = np.divmod(np.arange(SIDE * SIDE), SIDE)
events["t"] = np.arange(SIDE * SIDE)

def dropped(ratio, draws):
    np.random.seed(0)
    transform = DropEventByArea(sensor_size=(SIDE, SIDE, 2), area_ratio=ratio)
    return np.array([1 - len(transform(events)) / len(events) for _ in range(draws)])

fixed = {r: dropped(r, 1)[0] for r in (0.1, 0.2)}
print("one ratio:", {r: round(float(d), 4) for r, d in fixed.items()}, "of the events are dropped")
seen = {}
for ratio in ((0.1, 0.2), (0.0, 0.2)):
    shares = seen[ratio] = dropped(ratio, DRAWS)
    print(f"range {ratio}: expected at most {fixed[0.2]:.3f}, "
          f"seen {shares.min():.3f} to {shares.max():.3f}, on average {shares.mean():.3f}")

if not (seen[0.1, 0.2].min() >= fixed[0.2] and seen[0.1, 0.2].max() > 0.8 and seen[0.1, 0.2].mean() > 0.3):
    sys.exit("changed: the range (0.1, 0.2) is no longer drawn from 0.2 to 1")
if not (seen[0.0, 0.2].min() < 0.001 and seen[0.0, 0.2].max() > 0.8):
    sys.exit("changed: the range (0.0, 0.2) is no longer drawn from 0 to 1")
print("as stated")
PY
