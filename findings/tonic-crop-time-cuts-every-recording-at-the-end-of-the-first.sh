#!/usr/bin/env bash
# Version: tonic 1.7.0.
#
# Behaviour: CropTime drops events before `min` and after `max`. Without `max` nothing should
# be dropped at the end. But the transform fills `max` in from the first recording that it sees
# and keeps it: every later recording is cut where the first one ended.
#
# Seen: three recordings of 1,000 events over 0.1, 0.3 and 0.05 s. CropTime() keeps 1,000, 330
# and 1,000 of them; met in another order, the longest first, 1,000, 1,000 and 1,000.
#
# Why it matters: recordings differ in length in every event data set. What a network is trained
# on then depends on which recording came first: on the shuffle, and on the number of loading
# processes, each of which has its own copy of the transform. Who only wants to drop the beginning has to
# give a `max` beyond the longest recording.
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
from tonic.transforms import CropTime

print("tonic", version("tonic"), "numpy", version("numpy"))

EVENT = np.dtype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "?")])

def recording(seed, duration_us):
    rng = np.random.default_rng(seed)
    events = np.zeros(1000, EVENT)
    events["x"], events["y"] = rng.integers(0, 34, (2, 1000))
    events["t"] = np.sort(rng.integers(0, duration_us, 1000))
    events["p"] = rng.integers(0, 2, 1000)
    return events

recordings = {d: recording(d, d) for d in (100_000, 300_000, 50_000)}
kept = {}
for order in ((100_000, 300_000, 50_000), (300_000, 100_000, 50_000)):
    crop = CropTime()
    kept[order] = [len(crop(recordings[d])) for d in order]
    print(f"durations {order} us: expected [1000, 1000, 1000] events kept, seen {kept[order]}; max is now {crop.max}")

first, second = kept.values()
limit = recordings[100_000]["t"].max()
if second != [1000] * 3 or first != [1000, int((recordings[300_000]["t"] <= limit).sum()), 1000] or first[1] == 1000:
    sys.exit("changed: CropTime no longer keeps the first recording's end")
print("as stated")
PY
