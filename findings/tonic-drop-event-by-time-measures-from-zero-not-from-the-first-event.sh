#!/usr/bin/env bash
# Version: tonic 1.7.0.
#
# Behaviour: DropEventByTime drops an interval whose length is a ratio of the sequence's duration. The
# duration is taken from time 0 to the last event, and the interval is drawn from there: in a recording whose
# clock did not start at 0, such as a slice of a longer one, it mostly lies before the first event, or covers
# nearly all of the recording.
#
# Seen: 5,000 events over 0.1 s, duration_ratio=0.2, 400 draws. With times from 0 always about 20 % are
# dropped. With the same times a second later none are dropped at about 7 of 8 draws, and nearly all at some.
#
# Why it matters: slices of a recording, the usual way to make samples of a long one, are hardly augmented, and
# now and then a nearly empty sample comes out.
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
from tonic.transforms import DropEventByTime

print("tonic", version("tonic"), "numpy", version("numpy"))

COUNT, DRAWS = 5000, 400
generator = np.random.default_rng(0)
events = np.zeros(COUNT, np.dtype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "?")]))
events["t"] = np.sort(generator.integers(0, 100_000, COUNT))

np.random.seed(0)
seen = {}
for start in (0, 1_000_000):
    shifted = events.copy()
    shifted["t"] += start
    transform = DropEventByTime(duration_ratio=0.2)
    seen[start] = shares = np.array([1 - len(transform(shifted)) / COUNT for _ in range(DRAWS)])
    print(f"times from {start} us: expected about 0.2 dropped, seen {shares.min():.2f} to {shares.max():.2f}, "
          f"none at {(shares == 0).sum()} of {DRAWS} draws, over 0.9 at {(shares > 0.9).sum()}")

if not (0.15 < seen[0].min() and seen[0].max() < 0.25):
    sys.exit("changed: with times from 0 other shares are dropped")
later = seen[1_000_000]
if not ((later == 0).mean() > 0.7 and later.max() > 0.9):
    sys.exit("changed: with later times the interval lies within the recording")
print("as stated")
PY
