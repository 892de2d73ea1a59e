#!/usr/bin/env bash
# Version: tonic 1.7.0.
#
# Behaviour: Denoise drops events without a neighbour within a pixel and filter_time. Each pixel's memory
# starts as if the pixel had fired at time 0, so that until filter_time every event has recent neighbours, and
# is kept. A neighbour is one of four pixels: one across a corner, or the same pixel, does not count.
#
# Seen: 200 events of noise in a second on 32 x 32 pixels, filter_time 50 ms: all of the first 50 ms are kept,
# and 4 of the other 190. Shifted by a second, the same recording loses the first ones as well.
#
# Why it matters: short recordings keep all their noise (of the 300 ms of an N-MNIST digit a filter_time of
# 50 ms leaves a sixth untouched), and the same events give other results with another origin of time.
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
from tonic.transforms import Denoise

print("tonic", version("tonic"), "numpy", version("numpy"))

COUNT, FILTER = 200, 50_000
generator = np.random.default_rng(0)
noise = np.zeros(COUNT, np.dtype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "?")]))
noise["x"], noise["y"] = generator.integers(0, 32, (2, COUNT))
noise["t"] = np.sort(generator.integers(0, 1_000_000, COUNT))

def kept(events, start):
    """Return how many events there are before `start + FILTER`, how many are kept, and the same of the rest."""
    after = Denoise(filter_time=FILTER)(events)
    early, early_after = (int((e["t"] < start + FILTER).sum()) for e in (events, after))
    return early, early_after, len(events) - early, len(after) - early_after

later = noise.copy()
later["t"] += 1_000_000
seen = {"from 0": kept(noise, 0), "from 1 s": kept(later, 1_000_000)}
for name, (early, early_after, rest, rest_after) in seen.items():
    print(f"{name}: {early_after} of {early} events of the first 50 ms kept, {rest_after} of the other {rest}")

corner = np.zeros(2, noise.dtype)
corner["x"] = corner["y"] = [5, 6]
corner["t"] = [1_000_000, 1_000_001]
across = len(Denoise(filter_time=FILTER)(corner))
print(f"two events of neighbours across a corner, 1 us apart: {across} kept")

early, early_after, rest, rest_after = seen["from 0"]
if not (early_after == early >= 5 and rest_after < 0.05 * rest):
    sys.exit("changed: events of the first filter_time are no longer all kept")
if not (seen["from 1 s"][1] < seen["from 1 s"][0] and across == 0):
    sys.exit("changed: with a later origin, or across a corner, results differ")
print("as stated")
PY
