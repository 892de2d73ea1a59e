#!/usr/bin/env bash
# Version: libNeuroML 0.6.7, numpy 2.4.6.
#
# Behaviour: `ArrayMorphology` has a cell as arrays: points, and for each point the one before it, with -1 for the root.
# `to_neuroml_morphology()` makes segments of it, counting from the root in place of from the point behind it. The root,
# whose point before is -1, gets a segment to the last point of the array, and the last point gets none. In all segments
# the point nearer to the root is the distal one, and the segment next to the root has no parent: there are two roots.
# `segments[i]` has the right pieces, with the same two ends exchanged.
#
# Seen: a root at 0, a branch to 10, 20 and 30 um, and one from 10 um aside to (10, 20). Segments should be 10, 10, 10
# and 20 um long. `segments` are. Of the morphology they are 22.4, 10, 10 and 10 um: the branch aside is gone, and the
# root is joined to its tip. 2 segments have no parent, and that from 0 to 10 um begins at 10.
#
# Why it matters: the morphology is a valid one and is simulated: with another length and area, without the last branch,
# and with what is attached at the end of a segment (fractionAlong of 1) at its begin.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 libNeuroML==0.6.7 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from neuroml.arraymorph import ArrayMorphology

print(*(f"{name} {version(name)}" for name in ("libNeuroML", "numpy")))
points = np.array([[0, 0, 0, 1], [10, 0, 0, 1], [20, 0, 0, 1], [30, 0, 0, 1], [10, 20, 0, 1]], float)
before = [-1, 0, 1, 2, 1]
expected = [float(np.linalg.norm(points[i, :3] - points[before[i], :3])) for i in range(1, 5)]

array = ArrayMorphology(vertices=points, connectivity=before, id="cell")
listed = [round(array.segments[i].length, 1) for i in range(len(array.segments))]
segments = array.to_neuroml_morphology("cell").segments
seen = [round(segment.length, 1) for segment in segments]
roots = [segment.id for segment in segments if segment.parent is None]
first = next(segment for segment in segments if segment.id == 1)
tips = {(segment.proximal.x, segment.proximal.y) for segment in segments}
print(f"lengths: expected {expected}, by segments[i] {listed}, in the morphology {seen}")
print(f"segments without a parent: expected 1, seen {len(roots)}")
print(f"the segment from 0 to 10 um: expected to begin at 0, seen at {first.proximal.x:g} with its end at",
      f"{first.distal.x:g}")

if listed != expected:
    sys.exit("changed: segments[i] no longer have the right lengths")
if seen != [22.4, 10.0, 10.0, 10.0] or (10.0, 20.0) in tips:
    sys.exit("changed: the segments of the morphology")
if len(roots) != 2 or (first.proximal.x, first.distal.x) != (10.0, 0.0):
    sys.exit("changed: parents or ends of segments")
print("as stated")
PY
