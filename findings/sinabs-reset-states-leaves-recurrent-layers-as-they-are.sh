#!/usr/bin/env bash
# Version: sinabs 3.1.3, torch 2.13.0.
#
# Behaviour: `sinabs.reset_states(model)`, called between samples, is a "Helper function to recursively reset all
# states of spiking layers within the model". It goes down into each layer that has children, and resets those that
# have none. A recurrent layer has a child, the module of its own connections: the function goes down into that,
# finds nothing to reset, and leaves the membranes of the layer. `sinabs.zero_grad` goes the same way.
#
# Seen: a LIF layer and a recurrent one (with connections of zero, thus the same neuron) see the same sample and
# fire at steps 2, 5 and 8. After `sinabs.reset_states` the first is at 0, the second at 0.93 as before. Shown the
# sample once more, the first fires at the same steps, the second at 0, 3, 6 and 9.
#
# Why it matters: the answer to a sample depends on the samples before it, in training and in evaluation, for the
# very layers that keep the past. Nothing is raised. `layer.reset_states()` on each recurrent layer is a remedy.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 sinabs==3.1.3 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import sinabs
import sinabs.layers as sl
import torch
from torch import nn

print(*(f"{name} {version(name)}" for name in ("sinabs", "torch")))
torch.set_grad_enabled(False)

connections = nn.Linear(1, 1, bias=False)
connections.weight.zero_()
layers = {
    "LIF": sl.LIF(tau_mem=10.0, norm_input=False),
    "LIFRecurrent": sl.LIFRecurrent(tau_mem=10.0, norm_input=False, rec_connect=connections),
}
sample = torch.full((1, 11, 1), 0.4)

def times(model):
    return model(sample).flatten().nonzero().flatten().tolist()

membrane, first, second = {}, {}, {}
for name, layer in layers.items():
    model = nn.Sequential(nn.Identity(), layer)
    first[name] = times(model)
    sinabs.reset_states(model)
    membrane[name] = layer.v_mem.item()
    second[name] = times(model)
    print(f"{name}: spikes at steps {first[name]}; membrane after the reset {membrane[name]:.3f}; "
          f"spikes of the same sample {second[name]}")

if first["LIF"] != first["LIFRecurrent"] or membrane["LIF"] != 0 or first["LIF"] != second["LIF"]:
    sys.exit("changed: the layer without children is no longer the reference")
if membrane["LIFRecurrent"] == 0 or first["LIFRecurrent"] == second["LIFRecurrent"]:
    sys.exit("changed: sinabs.reset_states resets recurrent layers")
print("as stated")
PY
