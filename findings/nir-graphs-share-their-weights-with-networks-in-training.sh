#!/usr/bin/env bash
# Versions: snntorch 1.0.0, spikingjelly 2.0.0, nir 1.0.8, nirtorch 2.6, torch 2.13.0.
#
# Behaviour: snnTorch and SpikingJelly hand weights to and from NIR without a copy. A graph that was exported holds the
# memory of the network, and goes on changing as the network is trained; a network that was imported trains the graph,
# and all other networks made from it.
#
# Seen: one layer and its neurons, a step of SGD that moves each weight by 1. In both libraries a graph exported before
# the step has the weights after it, so that writing it then keeps another network than the one that was exported. Of
# two networks made from one graph of a file the second has moved by 1 as well, though only the first was trained.
# Neuron parameters are copied, so that such a graph is a mixture of both times.
#
# Why it matters: the graph kept before fine-tuning, pruning or quantising is no backup, comparing with it shows no
# change, and several seeds fine-tuned from one graph in one process train each other. No error is raised; writing to a
# file at once, and reading it for each network, is a remedy.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 nir==1.0.8 nirtorch==2.6 snntorch==1.0.0 spikingjelly==2.0.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import contextlib
import io
import logging
import sys
from importlib.metadata import version

import nir
import numpy as np
import snntorch
import torch
from snntorch.export_nir import export_to_nir as from_snntorch
from snntorch.import_nir import import_from_nir as to_snntorch
from spikingjelly.activation_based import neuron
from spikingjelly.activation_based.nir_exchange import export_to_nir as from_spikingjelly
from spikingjelly.activation_based.nir_exchange import import_from_nir as to_spikingjelly
from torch import nn

print(*(f"{name} {version(name)}" for name in ("snntorch", "spikingjelly", "nir", "nirtorch", "torch")))
logging.disable(logging.INFO)
INPUT = torch.zeros(1, 3)

def weights(module):
    return next(part.weight for part in module.modules() if isinstance(part, nn.Linear))

def weights_of_graph(graph):
    return next(node.weight for node in graph.nodes.values() if isinstance(node, (nir.Linear, nir.Affine)))

def train(module):
    """Move each weight by 1, by one step of SGD."""
    optimizer = torch.optim.SGD([weights(module)], lr=1.0)
    weights(module).grad = -torch.ones_like(weights(module))
    optimizer.step()

def snntorch_neurons():
    return snntorch.Leaky(beta=torch.full((2,), 0.9), threshold=torch.ones(2), init_hidden=True)

libraries = {
    "snnTorch": (snntorch_neurons, lambda net: from_snntorch(net, INPUT, ignore_dims=[0]), to_snntorch),
    "SpikingJelly": (lambda: neuron.LIFNode(tau=5.0), lambda net: from_spikingjelly(net, INPUT), to_spikingjelly),
}
for name, (neurons, export, read) in libraries.items():
    network = nn.Sequential(nn.Linear(3, 2), neurons())
    at_export = weights(network).detach().numpy().copy()
    graph = export(network)
    nir.write("at_export.nir", graph)
    train(network)
    nir.write("later.nir", graph)
    kept = weights_of_graph(nir.read("later.nir")) - at_export

    graph = nir.read("at_export.nir")
    with contextlib.redirect_stdout(io.StringIO()):
        first, second = read(graph), read(graph)
    train(first)
    untrained = weights(second).detach().numpy() - at_export
    print(f"{name}: expected 0, seen the exported graph moved by {np.abs(kept).max():.3f} "
          f"and the network that was not trained by {np.abs(untrained).max():.3f}")
    if not (np.allclose(kept, 1, atol=1e-5) and np.allclose(untrained, 1, atol=1e-5)):
        sys.exit("changed: weights are copied")
print("as stated")
PY
