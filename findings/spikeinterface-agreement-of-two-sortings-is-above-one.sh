#!/usr/bin/env bash
# Version: spikeinterface 0.105.3, numpy 2.4.6, numba 0.68.1, pandas 3.1.1.
#
# Behaviour: `make_agreement_scores` is "symmetric by default": matches are counted in both directions "and the minimum
# of the two results is taken". The maximum is taken, and limited by the spikes of the second sorting alone. One spike
# of the first sorting then counts for several of the second, and the score, matches / (all spikes - matches), can be
# above 1 and changes when the two sortings are exchanged.
#
# Seen: sorting A has 6 spikes, sorting B 9, all of them within the window of 0.4 ms of one of A, some doubled. At most
# 6 pairs can be made, the score is 6 / 9 = 0.67. A against B has 8 matches and a score of 1.14, B against A 6 and 0.67;
# without `ensure_symmetry` both have 6.
#
# Why it matters: double detections of a spike are a common fault of sorters, and here they raise the score: the best
# match of a unit is the one that has most of them. Scores above 1 also win against a perfect match in the assignment of
# units.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 pandas==3.1.1 numba==0.68.1 scipy==1.17.1 scikit-learn==1.9.1 \
    spikeinterface==0.105.3 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from spikeinterface.comparison import comparisontools
from spikeinterface.core import NumpySorting

print(*(f"{name} {version(name)}" for name in ("spikeinterface", "numpy", "numba", "pandas")))
RATE, WINDOW = 30000.0, 12  # 0.4 ms
frames = {"A": [300, 2998, 3004, 5998, 6004, 9000],
          "B": [300, 2995, 3000, 3008, 5995, 6000, 6008, 9000, 9008]}
sortings = {name: NumpySorting.from_unit_dict([{0: np.array(values)}], RATE) for name, values in frames.items()}

def pairs(first, second):
    """Return the most pairs in which each spike is used once, both lists sorted."""
    count, other = 0, 0
    for value in first:
        while other < len(second) and second[other] < value - WINDOW:
            other += 1
        if other < len(second) and second[other] <= value + WINDOW:
            count, other = count + 1, other + 1
    return count

seen = {}
for a, b in (("A", "B"), ("B", "A")):
    most = pairs(frames[a], frames[b])
    expected = most / (len(frames[a]) + len(frames[b]) - most)
    one_way, both = (int(comparisontools.make_match_count_matrix(sortings[a], sortings[b], WINDOW,
                                                                 ensure_symmetry=symmetry).values[0, 0])
                     for symmetry in (False, True))
    score = float(comparisontools.make_agreement_scores(sortings[a], sortings[b], WINDOW).values[0, 0])
    seen[a] = (one_way, both, round(score, 2))
    print(f"{a} against {b}: expected {most} matches and a score of {expected:.2f}, seen {both} and {score:.2f}, "
          f"{one_way} without ensure_symmetry")

if seen["A"][0] != 6 or seen["B"][0] != 6:
    sys.exit("changed: matches in one direction are no longer 6")
if seen["A"][1] <= 6 or seen["A"][2] <= 1 or seen["A"][2] == seen["B"][2]:
    sys.exit("changed: the agreement is symmetric, or not above 1")
print("as stated")
PY
