#!/usr/bin/env bash
# Version: snntorch 1.0.0, torch 2.13.0.
#
# Behaviour: neurons hand the membrane minus the threshold to a surrogate. `spike_rate_escape` and `SFS` compare it
# with 1 as if it were the membrane itself: the first is k exp(-b |U - 1|), which is highest where the membrane is one
# above the threshold, the second, a fast sigmoid that is 0 up to U = B (1 by default), is 0 up to there.
#
# Seen: a threshold of 1. The escape rate should be highest, 25, at a membrane of 1: there it is 9.2, and 25 at 2.
# SFS is 0 at 0.5, 1 and 1.5, where a fast sigmoid has its place (1 at the threshold), and 0.001 at 2.1, its largest.
#
# Why it matters: neurons about to fire, which a surrogate is for, learn least or nothing. With SFS as it comes a
# network whose membranes stay below twice the threshold does not train at all, and no error says so.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 snntorch==1.0.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import snntorch
import torch
from snntorch import surrogate

print(*(f"{name} {version(name)}" for name in ("snntorch", "torch")))
MEMBRANES = [round(0.1 * i, 1) for i in range(31)]

def gradients(spike_grad):
    currents = torch.tensor([MEMBRANES], requires_grad=True)
    neurons = snntorch.Leaky(beta=0.9, threshold=1.0, spike_grad=spike_grad)
    spikes, _ = neurons(currents, torch.zeros_like(currents))
    return dict(zip(MEMBRANES, torch.autograd.grad(spikes.sum(), currents)[0].flatten().tolist()))

seen = {}
for name in ("fast_sigmoid", "atan", "spike_rate_escape", "SFS"):
    seen[name] = gradients(getattr(surrogate, name)())
    peak = max(seen[name], key=seen[name].get)
    shown = ", ".join(f"{seen[name][membrane]:.4f} at {membrane}" for membrane in (0.5, 1.0, 1.5, 2.0, 2.1))
    print(f"{name}: expected to be largest at the threshold, 1.0; largest at {peak}; {shown}")

peaks = {name: max(values, key=values.get) for name, values in seen.items()}
if peaks != {"fast_sigmoid": 1.0, "atan": 1.0, "spike_rate_escape": 2.0, "SFS": 2.1}:
    sys.exit(f"changed: the largest gradients are elsewhere: {peaks}")
if any(seen["SFS"][membrane] for membrane in MEMBRANES if membrane < 2.0):
    sys.exit("changed: SFS has a gradient below twice the threshold")
print("as stated")
PY
