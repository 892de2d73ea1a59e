#!/usr/bin/env bash
# Versions: spikingjelly 2.0.0, nirtorch 2.6, nir 1.0.8, torch 2.13.0.
#
# Behaviour: SpikingJelly's `export_to_nir` lets `nirtorch.torch_to_nir` trace the network, which refuses each
# function but addition: NIR adds up what the edges of a node bring. An addition is passed over whatever is added. A
# number or a parameter has no node and is dropped, and a layer's output added to itself counts once.
#
# Seen: one integrate-and-fire neuron with a weight of 1, an input of 0.25 for 12 steps, exported, written, read and
# imported again. With 0.25 added by a number, with 0.25 added by a parameter, or with the input added to itself the
# neuron fires 6 times, as by hand, and 3 times afterwards, as without. Subtracting a number raises.
#
# Why it matters: learned offsets, constant currents and gains written as x + x are gone from the file. That other
# functions are refused makes one believe that what is accepted is kept.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 nir==1.0.8 nirtorch==2.6 spikingjelly==2.0.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import logging
import sys
from importlib.metadata import version

import nir
import torch
from spikingjelly.activation_based import layer, neuron
from spikingjelly.activation_based.nir_exchange import export_to_nir, import_from_nir
from torch import nn

print(*(f"{name} {version(name)}" for name in ("spikingjelly", "nirtorch", "nir", "torch")))
logging.disable(logging.INFO)
INPUT, STEPS = torch.full((1, 1), 0.25), 12

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = layer.Linear(1, 1, bias=False)
        self.weights.weight.data.fill_(1.0)
        self.neuron = neuron.IFNode()
        self.offset = nn.Parameter(torch.tensor([0.25]))

    def forward(self, x):
        return self.neuron(self.weights(x))

class Number(Network):
    def forward(self, x):
        return self.neuron(self.weights(x) + 0.25)

class Parameter(Network):
    def forward(self, x):
        return self.neuron(self.weights(x) + self.offset)

class Twice(Network):
    def forward(self, x):
        x = self.weights(x)
        return self.neuron(x + x)

class Subtraction(Network):
    def forward(self, x):
        return self.neuron(self.weights(x) - 0.25)

@torch.no_grad()
def there_and_back(network):
    """Return the spikes of a network in all steps, before and after."""
    before = [network(INPUT).item() for _ in range(STEPS)]
    network.neuron.reset()
    nir.write("network.nir", export_to_nir(network, INPUT))
    again, state, after = import_from_nir("network.nir"), None, []
    for _ in range(STEPS):
        spike, state = again(INPUT, state)
        after.append(spike.item())
    return before, after

for kind, expected in ((Network, 3), (Number, 6), (Parameter, 6), (Twice, 6)):
    before, after = there_and_back(kind())
    print(f"{kind.__name__}: expected {expected} spikes, before {sum(before):.0f}, after {sum(after):.0f}")
    if sum(before) != expected or sum(after) != 3:
        sys.exit("changed: the number of spikes before or after is another one")

try:
    export_to_nir(Subtraction(), INPUT)
except ValueError as error:
    print(f"Subtraction: {error}")
else:
    sys.exit("changed: subtraction is no longer refused")
print("as stated")
PY
