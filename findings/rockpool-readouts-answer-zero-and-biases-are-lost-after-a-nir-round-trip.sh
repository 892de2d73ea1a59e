#!/usr/bin/env bash
# Version: rockpool 3.1.0, nir 1.0.4 (it asks for at most this one), nirtorch 2.0.2, torch 2.13.0.
#
# Behaviour: `to_nir` writes the bias of every spiking layer as 0, whatever it is. `from_nir` rounds the time
# constants of leaky integrators (ExpSynTorch, the usual readout), which are in seconds, to integers: below one second
# they are 0, and the layer answers 0 to everything. NIR has no time step: `from_nir` takes it from the resistance,
# as tau / (1 + r), which for a file of another tool, with the usual resistance of 1, is half of the time constant.
#
# Seen: 8 spiking neurons with a bias and a readout of 10 ms, written and read. The readout gives 0 in all places; the
# neurons, which fire 40 times each in 100 steps by their bias alone, are silent. A CubaLIF node with a membrane of
# 20 ms and r = 1 is read with a time step of 10 ms.
#
# Why it matters: a file is the way from this library to others and back. It carries neither the biases nor, read,
# the readout, and networks of other tools run with a time step that has nothing to do with their data.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 scipy==1.17.1 torch==2.13.0 rockpool==3.1.0 nir==1.0.4 nirtorch==2.0.2 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

import nir
import numpy as np
import torch
from rockpool.nn.combinators import Sequential
from rockpool.nn.modules import ExpSynTorch, LIFTorch, LinearTorch
from rockpool.nn.modules.torch.nir import from_nir, to_nir

print(*(f"{name} {version(name)}" for name in ("rockpool", "nir", "nirtorch", "torch")))
torch.manual_seed(0)
torch.set_grad_enabled(False)

def round_trip(net):
    nir.write("net.nir", to_nir(net))
    return from_nir(Path("net.nir"))

def answer(net, inputs):
    outputs = net(inputs)
    return outputs[0] if isinstance(outputs, tuple) else outputs

taus = {"tau_mem": 0.01, "tau_syn": 0.005, "dt": 1e-3}
inputs = (torch.rand(1, 100, 2) < 0.3).float()

readout = Sequential(LinearTorch((2, 3), has_bias=False), ExpSynTorch(3, tau=torch.full((3,), 0.01), dt=1e-3))
read = round_trip(readout)
before, after = (answer(net, inputs).abs().sum().item() for net in (readout, read))
print(f"readout of 10 ms, sum of its absolute answers: written {before:.1f}, expected the same, read {after:.1f}")

biased = Sequential(LinearTorch((2, 8), has_bias=False), LIFTorch(8, bias=torch.linspace(0.4, 0.5, 8), **taus))
silence = torch.zeros(1, 100, 2)
spikes = [int(answer(net, silence).sum()) for net in (biased, round_trip(biased))]
leak = to_nir(biased).nodes["1_LIFTorch"].v_leak
print(f"neurons with a bias, spikes without input: written {spikes[0]}, expected the same, read {spikes[1]}")
print(f"  v_leak in the file: {leak}")

ones = np.ones(3)
foreign = nir.NIRGraph.from_list(nir.Linear(np.eye(3)), nir.CubaLIF(
    tau_mem=0.02 * ones, tau_syn=0.01 * ones, r=ones, v_leak=0 * ones, v_threshold=ones))
steps = [layer.dt for layer in from_nir(foreign).children() if isinstance(layer, LIFTorch)]
print(f"a CubaLIF node with a membrane of 20 ms and r = 1: read with a time step of {1000 * steps[0]:.1f} ms")

if not before > 0 or after != 0:
    sys.exit("changed: a readout no longer answers 0 after a round trip")
if spikes[0] < 100 or spikes[1] != 0 or np.any(leak != 0):
    sys.exit("changed: biases of spiking neurons are no longer lost")
if not np.isclose(steps[0], 0.01):
    sys.exit("changed: the time step of another tool's file is no longer half of the time constant")
print("as stated")
PY
