#!/usr/bin/env bash
# Versions: spyx 1.0.0, nir 1.0.8, jax 0.10.2 (as a check: spikingjelly 2.0.0, torch 2.13.0).
#
# Behaviour: a LIF neuron of spyx adds its input to a membrane that decays by beta: V = beta V + x. In NIR's
# equation, tau dV/dt = -V + r I, that is tau = dt / (1 - beta), which spyx writes, and r = 1 / (1 - beta), where it
# writes beta itself as r. The reader looks at r no further: a node with r = 1, as other tools write them, gets an
# input in spyx that is 1 / (1 - beta) times too large. Both ways the factor is lost; from spyx to spyx the two
# errors cancel.
#
# Seen: beta 0.9, threshold 1, a constant input of 0.3 for 40 steps. spyx fires 9 times. Its file, with r = 0.9,
# gives no spike by NIR's equation, and SpikingJelly refuses it. The file as it should be, with r = 10, gives 10
# spikes by the equation and in SpikingJelly. One with r = 1, silent in both, fires 9 times in spyx, as the two
# others do there.
#
# Why it matters: NIR is there to move networks between tools. Through it a network of spyx is silent elsewhere, and
# one from elsewhere gets ten times its input in spyx, with weights, time constants and thresholds as they should be.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile spyx==1.0.0 jax==0.10.2 jaxlib==0.10.2 flax==0.12.8 optax==0.2.8 grain==0.2.18 \
    nir==1.0.8 nirtorch==2.6 spikingjelly==2.0.0 torch==2.13.0 numpy==2.4.6 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

JAX_PLATFORMS=cpu venv/bin/python -W ignore - 2>err.log <<'PY' || { code=$?; cat err.log; exit $code; }
import logging
import sys
from importlib.metadata import version

import nir
import numpy as np
import spyx.nir
import spyx.nn
import torch
from flax import nnx
from jax import numpy as jnp
from spikingjelly.activation_based.nir_exchange.from_nir import import_from_nir

logging.disable(logging.WARNING)
torch.set_grad_enabled(False)
print(*(f"{name} {version(name)}" for name in ("spyx", "nir", "jax", "spikingjelly", "torch")))
BETA, INPUT, STEPS = 0.9, 0.3, 40
inputs = jnp.full((STEPS, 1, 1), INPUT)

rngs = nnx.Rngs(0)
model = spyx.nn.Sequential(nnx.Linear(1, 1, use_bias=False, rngs=rngs), spyx.nn.LIF((1,), beta=BETA, rngs=rngs))
model.layers[0].kernel[...] = jnp.ones((1, 1))
in_spyx = int(spyx.nn.run(model, inputs)[0].sum())
nir.write("written.nir", spyx.nir.to_nir(model, {"input": np.array([1])}, {"output": np.array([1])}, dt=1))

def one(value):
    return np.full(1, value, "float32")

def file_with(r):
    nir.write(f"{r:g}.nir", nir.NIRGraph(
        nodes={
            "input": nir.Input(np.array([1])),
            "weights": nir.Linear(weight=np.ones((1, 1), "float32")),
            "lif": nir.LIF(tau=one(1 / (1 - BETA)), r=one(r), v_leak=one(0), v_threshold=one(1), v_reset=one(0)),
            "output": nir.Output(np.array([1])),
        },
        edges=[("input", "weights"), ("weights", "lif"), ("lif", "output")],
    ))
    return f"{r:g}.nir"

def neuron(path):
    return next(node for node in nir.read(path).nodes.values() if isinstance(node, nir.LIF))

def by_equation(path):
    node, membrane, spikes = neuron(path), 0.0, 0
    for _ in range(STEPS):
        membrane += (node.v_leak[0] - membrane + node.r[0] * INPUT) / node.tau[0]
        if membrane > node.v_threshold[0]:
            spikes, membrane = spikes + 1, node.v_reset[0]
    return spikes

def in_spikingjelly(path):
    try:
        module, state, spikes = import_from_nir(path, dt=1.0), None, 0
    except ValueError as error:
        return f"refused ({error})"
    for _ in range(STEPS):
        out, state = module(torch.full((1, 1), INPUT), state)
        spikes += int(out.sum())
    return spikes

def read_by_spyx(path):
    return int(spyx.nir.from_nir(nir.read(path), inputs, dt=1)[1].sum())

print(f"spyx: {in_spyx} spikes")
seen = {}
for name, path in (("spyx", "written.nir"), ("hand", file_with(1 / (1 - BETA))), ("others", file_with(1.0))):
    seen[name] = by_equation(path), in_spikingjelly(path), read_by_spyx(path)
    print(f"file by {name}, r = {neuron(path).r[0]:.3g}: {seen[name][0]} spikes by NIR's equation, {seen[name][2]} in "
          f"spyx, in SpikingJelly {seen[name][1]}")

if in_spyx != 9 or seen["hand"][:2] != (10, 10) or seen["others"][:2] != (0, 0):
    sys.exit("changed: the reference is another one")
if not np.isclose(neuron("written.nir").r[0], BETA) or seen["spyx"][0]:
    sys.exit("changed: spyx no longer writes the decay as r")
if {pair[2] for pair in seen.values()} != {in_spyx}:
    sys.exit("changed: spyx no longer reads LIF nodes as if r were not there")
print("as stated")
PY
