#!/usr/bin/env bash
# Version: tonic 1.7.0.
#
# Behaviour: `SliceByTime(reset_time=True)` lets each slice's times begin anew. Slices are views of the recording,
# and their times are shifted in place: the recording itself is overwritten. Cut once more, it is another one. Where
# slices overlap, the events that two of them share are shifted twice. In a `SlicedDataset`, which asks slicers for
# their limits and cuts by itself, the argument does nothing at all.
#
# Seen: events every 50 us from 0 to 350, slices of 100. The first cut gives each slice the times 0 and 50; the
# recording reads 0, 50, 0, 50, 0, 50, 0, 50 afterwards, and cut again is one slice of eight events. With an overlap
# of 50, times from -650 on. From a `SlicedDataset` the second slice has 100 and 150.
#
# Why it matters: with a recording in memory, as in `MemoryCachedDataset`, the second epoch trains on wrong slices.
# Frames of a given duration are empty, or hold all events, according to which of the three one meets.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile tonic==1.7.0 numpy==2.4.6 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from tonic import SlicedDataset
from tonic.slicers import SliceByTime

print("tonic", version("tonic"), "numpy", version("numpy"))

def recording():
    events = np.zeros(8, dtype=[("t", "i8"), ("x", "i8"), ("y", "i8"), ("p", "i8")])
    events["t"] = np.arange(8) * 50
    return events

def cut(events, **options):
    slicer = SliceByTime(time_window=100, reset_time=True, **options)
    return [piece["t"].tolist() for piece in slicer.slice(events, 0)[0]]

events = recording()
whole = {"include_incomplete": True}
first, after, second = cut(events, **whole), events["t"].tolist(), cut(events, **whole)
overlapping = cut(recording(), overlap=50)
data_set = SlicedDataset([(recording(), 0)], SliceByTime(time_window=100, reset_time=True, include_incomplete=True))
from_data_set = [data_set[i][0]["t"].tolist() for i in range(len(data_set))]

print("slices of 100 us: expected", [[0, 50]] * 4, "seen", first)
print("recording afterwards: expected", recording()["t"].tolist(), "seen", after)
print("cut once more: expected", [[0, 50]] * 4, "seen", second)
print("slices that overlap by 50 us: expected", [[0, 50]] * 6, "seen", overlapping)
print("slices from a SlicedDataset: expected", [[0, 50]] * 4, "seen", from_data_set)

if first != [[0, 50]] * 4:
    sys.exit("changed: slices of a new recording begin at another time")
if after != [0, 50] * 4 or second != [[0, 50] * 4]:
    sys.exit("changed: slicing leaves the recording as it was")
if min(map(min, overlapping)) >= 0:
    sys.exit("changed: events in two slices are shifted once")
if from_data_set != [[100 * i, 100 * i + 50] for i in range(4)]:
    sys.exit("changed: SlicedDataset looks at reset_time")
print("as stated")
PY
