#!/usr/bin/env bash
# Versions: spikingjelly 2.0.0, nirtorch 2.6, nir 1.0.8, torch 2.13.0.
#
# Behaviour: in a loop of a NIR graph one connection must carry what the step before left. `nirtorch.nir_to_torch`,
# with which SpikingJelly reads NIR, takes the connections that are not yet computed when it comes to a node, in the
# order of the graph's nodes. Where a layer with a recurrence of its own lies in a larger loop, this reaches the
# forward connection to it as well. A NIR file holds nodes in the order of their names: written and read, the same
# graph has other connections that are late.
#
# Seen: two layers of integrate-and-fire neurons, `lif1` and `lif2`, forward from one to the other, back from the second
# to the first, and from the second to itself. A strong input in step 0 makes the second layer fire in step 0 of the
# graph as it was made, as by hand with all feedback one step late. After `nir.write` and `nir.read`, which change no
# value, it fires in step 1, and the trains differ at 4 of 12 steps. So it does with the nodes in that order.
#
# Why it matters: a recurrent network answers differently from the file than from memory, and renaming its layers
# changes it again. No error, no warning, and all weights are as they were.
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
import numpy as np
import torch
from spikingjelly.activation_based.nir_exchange import import_from_nir

print(*(f"{name} {version(name)}" for name in ("spikingjelly", "nirtorch", "nir", "torch")))
logging.disable(logging.INFO)
torch.set_grad_enabled(False)
DT, FEEDBACK = 1e-4, -0.5
INPUTS = [1.0] + [0.4] * 11
EDGES = [("input", "fc1"), ("fc1", "lif1"), ("lif1", "fc2"), ("fc2", "lif2"), ("lif2", "output"),
         ("lif2", "rec2"), ("rec2", "lif2"), ("lif2", "back"), ("back", "lif1")]

def nodes():
    one = np.ones(1)
    weights = {"fc1": 1.0, "fc2": 1.0, "rec2": FEEDBACK, "back": FEEDBACK}
    made = {"input": nir.Input(np.array([1]))}
    for name in ("fc1", "lif1", "fc2", "lif2", "rec2", "back"):
        if name in weights:
            made[name] = nir.Linear(np.array([[weights[name]]]))
        else:
            made[name] = nir.IF(r=one / DT, v_threshold=one, v_reset=0 * one)
    return made | {"output": nir.Output(np.array([1]))}

def run(graph):
    network, state, spikes = import_from_nir(graph, dt=DT), None, []
    for value in INPUTS:
        spike, state = network(torch.full((1, 1), value), state)
        spikes.append(int(spike.item()))
    return spikes

def by_hand():
    """Return the spikes of the second layer; forward connections act at once, feedback one step later."""
    first = second = 0.0
    before, spikes = 0, []
    for value in INPUTS:
        first += value + FEEDBACK * before
        fired = int(first >= 1)
        first *= 1 - fired
        second += fired + FEEDBACK * before
        before = int(second >= 1)
        second *= 1 - before
        spikes.append(before)
    return spikes

made = nodes()
as_made = run(nir.NIRGraph(made, list(EDGES)))
nir.write("network.nir", nir.NIRGraph(nodes(), list(EDGES)))
from_file = run(nir.read("network.nir"))
sorted_nodes = run(nir.NIRGraph(dict(sorted(nodes().items())), list(EDGES)))
expected = by_hand()
print(f"expected by hand  {expected}\nas made           {as_made}\nfrom its file     {from_file}\n"
      f"nodes by name     {sorted_nodes}")

if as_made != expected:
    sys.exit("changed: the graph as made no longer agrees with the reference")
if from_file != sorted_nodes or sum(a != b for a, b in zip(as_made, from_file, strict=True)) != 4:
    sys.exit("changed: the file no longer gives another network")
print("as stated")
PY
