#!/usr/bin/env bash
# Version: neo 0.14.6, quantities 0.16.4, numpy 2.4.6.
#
# Behaviour: `get_events` and `get_epochs` choose by properties, "a valid entry or a list of valid entries". If one of
# the lists is empty, all properties are dropped and everything in the segment is returned, that which other properties
# exclude included. `cut_block_by_epochs` chooses in the same way.
#
# Seen: one Epoch of three trials, of a type "rewarded". `get_epochs(segment, trial=[2])` has one trial. `trial=[]`
# should have none, and has all three; `trial=[], kind="omitted"` should have none for two reasons, and has all three.
# For `kind="omitted"` alone it has none. A block cut by `trial=[]` is cut into three segments.
#
# Why it matters: the list comes from an analysis, as the trials with an error, or those of one stimulus. In the session
# where there is no such trial the result is that of all trials, and errors seem to be the rule.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 quantities==0.16.4 neo==0.14.6 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import neo
import numpy as np
import quantities as pq
from neo.utils import cut_block_by_epochs, get_epochs

print(*(f"{name} {version(name)}" for name in ("neo", "quantities", "numpy")))

epoch = neo.Epoch([1, 3, 5] * pq.s, durations=[1, 1, 1] * pq.s, labels=["a", "b", "c"], kind="rewarded",
                  array_annotations={"trial": [1, 2, 3]})
segment = neo.Segment()
segment.spiketrains.append(neo.SpikeTrain(np.arange(0.5, 9), units="s", t_stop=9))
segment.epochs.append(epoch)
block = neo.Block()
block.segments.append(segment)

def chosen(**properties):
    return sum(len(part) for part in get_epochs(segment, **properties))

cases = (({"trial": [2]}, 1), ({"trial": [4]}, 0), ({"kind": "omitted"}, 0), ({"trial": []}, 0),
         ({"trial": [], "kind": "omitted"}, 0))
seen = []
for properties, expected in cases:
    seen.append(chosen(**properties))
    print(f"{properties}: expected {expected} trials, seen {seen[-1]}")
segments = len(cut_block_by_epochs(block, properties={"trial": []}).segments)
print(f"a block cut by an empty list of trials: expected 0 segments, seen {segments}")

if seen[:3] != [1, 0, 0]:
    sys.exit("changed: lists that are not empty, or other properties, no longer choose as documented")
if seen[3:] != [3, 3] or segments != 3:
    sys.exit("changed: an empty list no longer chooses everything")
print("as stated")
PY
