#!/usr/bin/env bash
# Version: snntorch 1.0.0, torch 2.13.0.
#
# Behaviour: `spikegen.from_one_hot` shall "convert one-hot encoding back into an integer". Of a batch it returns the
# index of each row that has a 1, so that it counts 0, 1, 2, ... whatever the classes are. The example of its
# documentation has classes 0, 1, 2, 3 in this order, where the two agree.
#
# Seen: classes 3, 1, 1, 0 through `to_one_hot` and back are 0, 1, 2, 3. 1,000 labels drawn from ten classes come back
# as 0 to 999; none of them is right. Of a single vector the class is right.
#
# Why it matters: labels of 0 to 999 for ten classes raise somewhere; in a batch that is no larger than the number of
# classes they are valid labels, and a network is trained, or an accuracy computed, on the order of the samples.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 snntorch==1.0.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import torch
from snntorch import spikegen

print(*(f"{name} {version(name)}" for name in ("snntorch", "torch")))
torch.manual_seed(0)

def back(classes, count):
    return spikegen.from_one_hot(spikegen.to_one_hot(classes, count)).tolist()

example = back(torch.arange(4), 4)
print(f"the documentation's example: expected [0, 1, 2, 3], seen {example}")
few = torch.tensor([3, 1, 1, 0])
seen = back(few, 4)
print(f"classes of four samples: expected {few.tolist()}, seen {seen}")
many = torch.randint(0, 10, (1000,))
returned = back(many, 10)
right = sum(one == other for one, other in zip(returned, many.tolist()))
print(f"1000 samples of ten classes: expected 1000 right and {int(many.max())} as the highest class, seen {right} "
      f"right and {max(returned)}")
single = spikegen.from_one_hot(torch.tensor([0.0, 0.0, 0.0, 1.0])).tolist()
print(f"a single vector of class 3: expected [3], seen {single}")

if example != [0, 1, 2, 3] or single != [3]:
    sys.exit("changed: the documentation's example, or a single vector, is no longer right")
if seen != [0, 1, 2, 3] or returned != list(range(1000)):
    sys.exit("changed: from_one_hot no longer returns the numbers of the rows")
print("as stated")
PY
