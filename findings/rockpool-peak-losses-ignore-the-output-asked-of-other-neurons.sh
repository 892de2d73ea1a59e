#!/usr/bin/env bash
# Version: rockpool 3.1.0, torch 2.13.0.
#
# Behaviour: PeakLoss and BinaryPeakLoss have an argument `nontarget_output`, by their descriptions the output that
# the neurons of all other classes (or the neuron, in negative samples) should have. It is stored and never read: the
# distance is always measured to 0.
#
# Seen: an output of 0.5 everywhere, target_output 0.5, nontarget_output 0.5: nothing is wrong and the loss should be
# 0. It is 0.25, the square of 0.5, for both, and the same for nontarget_output 0 and -1.
#
# Why it matters: readouts of membranes rest at a bias, or should be pushed below 0 for the other classes, for which
# the argument is there. Whatever it is set to, training pulls to 0, and a search over it compares equal runs.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 scipy==1.17.1 torch==2.13.0 rockpool==3.1.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import torch
from rockpool.nn.losses import BinaryPeakLoss, PeakLoss

print(*(f"{name} {version(name)}" for name in ("rockpool", "torch")))
OUTPUT = 0.5
many, single = torch.full((2, 5, 3), OUTPUT), torch.full((2, 5, 1), OUTPUT)
labels = torch.tensor([0, 1])

seen = {}
for asked in (0.5, 0.0, -1.0):
    options = {"max_interval": 2, "weight_nontarget": 1.0, "target_output": OUTPUT, "nontarget_output": asked}
    seen[asked] = tuple(loss(output, labels).item() for loss, output in
                        ((PeakLoss(**options), many), (BinaryPeakLoss(**options), single)))
    print(f"output {OUTPUT}, nontarget_output {asked}: expected {(OUTPUT - asked) ** 2}, "
          f"seen {seen[asked][0]} (PeakLoss), {seen[asked][1]} (BinaryPeakLoss)")

if set(seen.values()) != {(OUTPUT**2, OUTPUT**2)}:
    sys.exit("changed: the losses no longer ignore nontarget_output")
print("as stated")
PY
