#!/usr/bin/env bash
# Versions: norse 1.1.0, nir 1.0.8, nirtorch 2.6, torch 2.13.0 (as a second reader: spikingjelly 2.0.0).
#
# Behaviour: NIR graphs may branch: the input of a node is the sum of what its edges bring. `norse.torch.from_nir`
# lets nirtorch run the nodes depth first in the order of edges, so that a node with two inputs runs before its second
# one, which is left out, or taken from the step before. And what a step returns is the result of the node that ran
# last, which is then the end of the second branch, not the output of the network.
#
# Seen: two LIF neurons in a row, and a branch past the first, an input of 2 for 30 steps. By hand and in SpikingJelly
# the second neuron fires 30 times. Norse returns 40.0 in each step, the weighted input of the branch, or, with the
# edges of the branch first, 0 and 15, the weighted spikes of the first neuron. Without the branch Norse is right, with
# 4 spikes.
#
# Why it matters: residual blocks and skip connections are such graphs. The file is read without an error or a warning,
# shapes are right where the layers are equally wide, and what is returned need not even be spikes.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 nir==1.0.8 nirtorch==2.6 norse==1.1.0 spikingjelly==2.0.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import logging
import sys
from importlib.metadata import version

import nir
import norse.torch
import numpy as np
import torch
from spikingjelly.activation_based.nir_exchange import import_from_nir

print(*(f"{name} {version(name)}" for name in ("norse", "nir", "nirtorch", "spikingjelly", "torch")))
logging.disable(logging.WARNING)
torch.set_grad_enabled(False)
INPUT, STEPS, DT, TAU = 2.0, 30, 0.001, 0.01
MAIN = [("input", "first_weights"), ("first_weights", "first"),
        ("first", "second_weights"), ("second_weights", "second")]
BRANCH = [("input", "branch"), ("branch", "second")]
WEIGHTS = {"first_weights": 1.0, "second_weights": 15.0, "branch": 20.0}

def graph(edges):
    one = np.ones(1, np.float32)
    nodes = {name: nir.Affine(np.array([[weight]], np.float32), 0 * one) for name, weight in WEIGHTS.items()}
    nodes |= {name: nir.LIF(tau=TAU * one, r=one, v_leak=0 * one, v_threshold=one) for name in ("first", "second")}
    nodes |= {"input": nir.Input(np.array([1])), "output": nir.Output(np.array([1]))}
    used = {name for edge in edges for name in edge}
    nir.write("network.nir", nir.NIRGraph({name: node for name, node in nodes.items() if name in used}, edges))
    return nir.read("network.nir")

def by_hand(with_branch):
    membranes, outputs = [0.0, 0.0], []

    def fire(index, current):
        membranes[index] += DT / TAU * (current - membranes[index])
        spike = float(membranes[index] > 1)
        membranes[index] *= 1 - spike
        return spike

    for _ in range(STEPS):
        spike = fire(0, INPUT)
        around = WEIGHTS["branch"] * INPUT if with_branch else 0.0
        outputs.append(fire(1, WEIGHTS["second_weights"] * spike + around))
    return outputs

def run(network):
    state, outputs = None, []
    for _ in range(STEPS):
        output, state = network(torch.full((1, 1), INPUT), state)
        outputs.append(output.item())
    return outputs

cases = {
    "no branch": MAIN,
    "branch, its edges last": MAIN + BRANCH,
    "branch, its edges first": BRANCH + MAIN,
}
seen = {}
for name, edges in cases.items():
    network = graph([*edges, ("second", "output")])
    expected = by_hand(edges != MAIN)
    seen[name] = run(norse.torch.from_nir(network, dt=DT))
    other = run(import_from_nir(network, dt=DT))
    print(f"{name}: expected {sum(expected):.0f} spikes, SpikingJelly {sum(other):.0f}, "
          f"Norse a sum of {sum(seen[name]):.0f} of values {sorted(set(seen[name]))}")
    if other != expected:
        sys.exit("changed: the second reader no longer agrees with the reference")
    if (seen[name] == expected) != (edges == MAIN):
        sys.exit("changed: Norse is no longer right without the branch and wrong with it")
if set(seen["branch, its edges last"]) != {WEIGHTS["branch"] * INPUT}:
    sys.exit("changed: Norse no longer returns the end of the branch")
print("as stated")
PY
