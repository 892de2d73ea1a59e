#!/usr/bin/env bash
# Versions: norse 1.1.0, nir 1.0.8, nirtorch 2.6, torch 2.13.0.
#
# Behaviour: norse.torch.from_nir takes a reset_method. It reaches CubaLIF nodes; LIF nodes, the
# commonest, always reset to a value, whatever is asked for. Nothing is said.
#
# Seen: one neuron, decay 1/2, threshold 1, constant input 1.8, ten steps: 0101010101 by reset
# to zero, 0110110110 by subtraction. from_nir(..., reset_method=reset_subtract) gives the first
# for a LIF node, whose parameters still name reset_value; on a CubaLIF node the same argument
# arrives.
#
# Why it matters: NIR has no word for reset by subtraction, so who exports such a network
# (snnTorch's default) has to name the reset when reading it. Norse offers the argument, and the
# network then runs with other spikes. Setting reset_method on the neurons afterwards works.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 nir==1.0.8 nirtorch==2.6 norse==1.1.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import nir, norse.torch, numpy as np, torch
from norse.torch.functional.reset import reset_subtract, reset_value

print(*(f"{name} {version(name)}" for name in ("norse", "nir", "nirtorch", "torch")), sep=", ")

DT, STEPS, X = 1e-4, 10, 1.8

def one(value):
    return np.full(1, value, np.float32)

def graph(neuron):
    return nir.NIRGraph(
        nodes={"input": nir.Input(np.array([1])), "neuron": neuron, "output": nir.Output(np.array([1]))},
        edges=[("input", "neuron"), ("neuron", "output")],
    )

def read(neuron, method):
    nir.write("neuron.nir", graph(neuron))
    return norse.torch.from_nir(nir.read("neuron.nir"), reset_method=method, dt=DT)

def resets(module):
    return {m.p.reset_method.__name__ for m in module.modules() if hasattr(getattr(m, "p", None), "reset_method")}

def run(module):
    state, out = None, ""
    for _ in range(STEPS):
        spikes, state = module(torch.full((1, 1), X), state)
        out += str(int(spikes.item()))
    return out

def equation(subtract):
    v, out = 0.0, ""
    for _ in range(STEPS):
        v += 0.5 * (X - v)
        fired = v > 1
        v = v - fired if subtract else v * (not fired)
        out += str(int(fired))
    return out

lif = nir.LIF(tau=one(2 * DT), r=one(1), v_leak=one(0), v_threshold=one(1), v_reset=one(0))
cuba = nir.CubaLIF(tau_syn=one(2 * DT), tau_mem=one(2 * DT), r=one(1), v_leak=one(0), v_threshold=one(1),
                   v_reset=one(0), w_in=one(1))
print("equation: reset to zero", equation(False), "by subtraction", equation(True))
seen = {m.__name__: run(read(lif, m)) for m in (reset_value, reset_subtract)}
print("LIF in Norse:", seen, "resets by", resets(read(lif, reset_subtract)), "where subtraction was asked for")
print("CubaLIF in Norse resets by", resets(read(cuba, reset_subtract)))
module = read(lif, reset_subtract)
for m in module.modules():
    if hasattr(m, "p"):
        m.p = m.p._replace(reset_method=reset_subtract)
by_hand = run(module)
print("LIF with the reset set afterwards:", by_hand)

if equation(False) == equation(True) or seen["reset_value"] != equation(False):
    sys.exit("changed: the reference no longer fits")
if resets(read(cuba, reset_subtract)) != {"reset_subtract"} or by_hand != equation(True):
    sys.exit("changed: CubaLIF or the remedy behave in another way")
if seen["reset_subtract"] != equation(False) or resets(read(lif, reset_subtract)) != {"reset_value"}:
    sys.exit("changed: reset_method now reaches LIF nodes")
print("as stated")
PY
