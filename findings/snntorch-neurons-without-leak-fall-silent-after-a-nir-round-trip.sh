#!/usr/bin/env bash
# Versions: snntorch 1.0.0, nir 1.0.8, nirtorch 2.6, torch 2.13.0 (as a second reader: norse 1.1.0).
#
# Behaviour: snnTorch's neuron without leak, Leaky(beta=1), is exported as a leaky NIR node with
# tau = dt / (1 - beta) and r = tau / dt, which are both infinite, and not as NIR's own
# integrate-and-fire node. The file is written and read without an error. Back in snnTorch the
# importer computes the threshold from r * dt / tau, infinity over infinity, and gets a
# threshold that is not a number: no membrane ever passes it. Norse, too, stays silent.
#
# Seen: two neurons with inputs 0.4 and 0.7 fire 2 and 4 times in eight steps; after
# export, nir.write, nir.read and import 0 and 0 times, in snnTorch and in Norse. The same
# network with beta = 0.9 fires 2 and 4 times before and after.
#
# Why it matters: neurons without leak are the usual result of converting trained ReLU networks,
# and what many chips offer. The file arrives whole, and the network answers nothing.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 nir==1.0.8 nirtorch==2.6 snntorch==1.0.0 \
    norse==1.1.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import contextlib, io, logging, sys
from importlib.metadata import version

import nir, norse.torch, numpy as np, snntorch as snn, torch
from snntorch.export_nir import export_to_nir
from snntorch.import_nir import import_from_nir

logging.disable(logging.WARNING)
print(*(f"{name} {version(name)}" for name in ("snntorch", "nir", "nirtorch", "norse", "torch")), sep=", ")

INPUT, STEPS, DT = torch.tensor([0.4, 0.7]), 8, 1e-4

def counts(step):
    total = np.zeros(2, int)
    for _ in range(STEPS):
        total += step(INPUT[None]).detach().numpy().reshape(-1).astype(int)
    return total.tolist()

def stateful(module):
    """A function of one step around a module that takes and returns its state."""
    memory = [None]
    def step(x):
        spikes, memory[0] = module(x, memory[0])
        return spikes
    return step

def round_trip(beta):
    network = torch.nn.Sequential(
        torch.nn.Linear(2, 2, bias=False),
        # the reset that snnTorch's importer builds, so that beta is the only question
        snn.Leaky(beta=torch.full((2,), beta), threshold=torch.ones(2), init_hidden=True,
                  reset_mechanism="zero", reset_delay=False),
    ).requires_grad_(False)
    network[0].weight.copy_(torch.eye(2))
    before = counts(network)
    name = f"beta_{beta}.nir"
    with contextlib.redirect_stdout(io.StringIO()):
        nir.write(name, export_to_nir(network, INPUT))
        again = import_from_nir(nir.read(name))
    node = next(n for n in nir.read(name).nodes.values() if isinstance(n, nir.LIF))
    lif = next(m for m in again.modules() if isinstance(m, snn.Leaky))
    # Norse ignores r, so it gets it in the weights
    graph = nir.read(name)
    for other in graph.nodes.values():
        if isinstance(other, nir.Linear):
            other.weight = (other.weight * node.r.reshape(-1, 1) if np.isfinite(node.r).all() else other.weight)
        if isinstance(other, nir.LIF):
            other.r = np.ones_like(other.r)
    in_norse = counts(stateful(norse.torch.from_nir(graph, dt=DT)))
    after = counts(stateful(again))
    print(f"beta {beta}: before {before}, after in snnTorch {after}, in Norse {in_norse}; "
          f"in the file tau {node.tau.tolist()}, r {node.r.tolist()}; "
          f"threshold after {lif.threshold.item()}")
    return before, after, in_norse, node, lif.threshold.item()

print("expected: as many spikes after the round trip as before")
before, after, in_norse, *_ = round_trip(0.9)
if before != after or in_norse != before or sum(before) == 0:
    sys.exit("changed: the round trip with leak is no longer exact")
before, after, in_norse, node, threshold = round_trip(1.0)
if before != [2, 4]:
    sys.exit("changed: other spikes before the export")
if not np.isinf(node.tau).all() or threshold == threshold or after != [0, 0] or in_norse != [0, 0]:
    sys.exit("changed: a neuron without leak now survives the round trip")
print("as stated")
PY
