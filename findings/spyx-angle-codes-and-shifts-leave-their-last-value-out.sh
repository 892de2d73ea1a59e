#!/usr/bin/env bash
# Version: spyx 1.0.0, jax 0.10.2, numpy 2.4.6.
#
# Behaviour: `angle_code(neuron_count, min_val, max_val)` and `AngleCode` give "a one-hot vector corresponding to where
# the value falls between a specified minimum and maximum". Their neuron_count limits include both ends, so that there
# is one interval less than neurons: the last neuron fires for the maximum alone. `shift_augment(max_shift)` and
# `ShiftAugment`, random shifts "up to a certain amount", leave out the largest shift to the right, but not that to the
# left.
#
# Seen: 10,000 values evenly between 0 and 1, four neurons. Each should fire for 2,500; seen are 3,333, 3,333, 3,333 and
# 1, and for two neurons 9,999 and 1: the code is constant. Of 300 random shifts by at most one pixel, a third each
# should go to the left, nowhere and to the right; none goes to the right.
#
# Why it matters: one neuron of each channel is dead, and with few neurons nothing is left of the value. Shifts that
# should make a network indifferent to a place move all recordings to one side, on average by half a pixel.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile spyx==1.0.0 jax==0.10.2 jaxlib==0.10.2 flax==0.12.8 optax==0.2.8 grain==0.2.18 \
    nir==1.0.8 numpy==2.4.6 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

JAX_PLATFORMS=cpu venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import jax
import numpy as np
from spyx.data import AngleCode, ShiftAugment, angle_code, shift_augment

print(*(f"{name} {version(name)}" for name in ("spyx", "jax", "numpy")))
values = np.linspace(0, 1, 10000, dtype="float32")
counts = {}
for neurons in (2, 4):
    expected = np.histogram(values, bins=neurons, range=(0, 1))[0].tolist()
    function = np.asarray(angle_code(neurons, 0.0, 1.0)(values)).sum(0).astype(int).tolist()
    transform = AngleCode(neurons, 0.0, 1.0).map({"obs": values})["obs"].sum(0).astype(int).tolist()
    counts[neurons] = (function, transform)
    print(f"{neurons} neurons: expected {expected} values each, seen by angle_code {function}, AngleCode {transform}")

image, names = np.eye(5)[2], {1: "left", 2: "nowhere", 3: "right"}
np.random.seed(0)
move = shift_augment(max_shift=1)
moved = {"shift_augment": [int(np.argmax(move(image, jax.random.PRNGKey(key)))) for key in range(300)],
         "ShiftAugment": [int(np.argmax(ShiftAugment(max_shift=1).map({"obs": image})["obs"])) for _ in range(300)]}
shifts = {}
for name, places in moved.items():
    shifts[name] = {side: places.count(place) for place, side in names.items()}
    print(f"{name}(max_shift=1): expected about 100 of 300 each, seen {shifts[name]}")

if any(seen[-1] > 10 for pair in counts.values() for seen in pair):
    sys.exit("changed: the last neuron of an angle code fires for an interval of its own")
if any(seen["right"] or not seen["left"] for seen in shifts.values()):
    sys.exit("changed: shifts go to the right as well")
print("as stated")
PY
