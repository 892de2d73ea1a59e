#!/usr/bin/env bash
# Version: snntorch 1.0.0, torch 2.13.0.
#
# Behaviour: `utils.reset(net)`, called between samples, is to "Check for the types of LIF neurons contained in net.
# Reset their hidden parameters to zero". It looks at the direct children of `net` alone: where neurons are in
# blocks, it finds none and resets nothing. Where it finds one, it resets all neurons of that class in the process,
# those of other networks among them, but only those that a constructor made: a copy by `copy.deepcopy` is not
# reset, the network that it was copied from is.
#
# Seen: four networks of one neuron, each with a membrane of 0.3. `utils.reset` of the one with a block leaves all
# as they are. Of a copy: its own membrane stays at 0.3, those of the original, of the network with a block and of
# an unrelated one are 0.
#
# Why it matters: blocks and copies are everywhere: residual networks, the best model kept, a teacher beside its
# pupil. Samples are answered with the membranes of those before, and evaluating one network disturbs another.
# Nothing is raised. Calling `reset_mem()` of each neuron of `net.modules()` is a remedy.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 snntorch==1.0.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import copy
import sys
from importlib.metadata import version

import snntorch
import torch
from snntorch import utils
from torch import nn

print(*(f"{name} {version(name)}" for name in ("snntorch", "torch")))
torch.set_grad_enabled(False)

def layers():
    return nn.Sequential(nn.Identity(), snntorch.Leaky(beta=0.9, init_hidden=True))

original = layers()
networks = {
    "original": original,
    "its copy": copy.deepcopy(original),
    "with a block": nn.Sequential(layers()),
    "unrelated": layers(),
}

def membranes_after(name):
    """Return the membranes of all networks, all driven to 0.3, after the reset of one of them."""
    neurons = {key: next(m for m in net.modules() if isinstance(m, snntorch.Leaky)) for key, net in networks.items()}
    for key, net in networks.items():
        neurons[key].reset_mem()
        net(torch.full((1, 1), 0.3))
    utils.reset(networks[name])
    return {key: round(neuron.mem.item(), 3) for key, neuron in neurons.items()}

seen = {name: membranes_after(name) for name in networks}
for name in networks:
    expected = {key: 0.0 if key == name else 0.3 for key in networks}
    print(f"reset of: {name}\n  expected {expected}\n  seen     {seen[name]}")

if any(value == 0 for value in seen["with a block"].values()):
    sys.exit("changed: utils.reset finds neurons in blocks")
for name in ("original", "its copy", "unrelated"):
    if seen[name] != {"original": 0.0, "its copy": 0.3, "with a block": 0.0, "unrelated": 0.0}:
        sys.exit(f"changed: the reset of the network ({name}) reaches other networks")
print("as stated")
PY
