#!/usr/bin/env bash
# Version: snntorch 1.0.0, torch 2.13.0.
#
# Behaviour: `AssociativeLeaky` keeps a matrix S that is multiplied by gates between 0 and 1 at each step, and to which
# each step adds v k^T. It computes all steps at once: writes are divided by the product of all gates so far plus
# 1e-8, summed up, and multiplied by that product. Once the product is below 1e-8, what is divided and what is
# multiplied no longer cancel, and the write of a step is lost in the step itself. Gates of an untrained layer are
# near a half, and a half to the power of 27 is below 1e-8.
#
# Seen: an untrained layer, random inputs, 100 steps, eight sequences, spikes by S above 1. Step by step in float64 the
# layer fires to the end. The layer agrees with it for ten steps; from the 30th on its state is below a hundredth of
# the reference, and in the steps from 35 to 100, where the reference has 26 spikes, it has none.
#
# Why it matters: sequences of this field have hundreds of steps. The layer answers the beginning of each, and is
# silent from then on, whatever arrives: it is not that old inputs fade, new ones are not received.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 snntorch==1.0.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import snntorch
import torch

print(*(f"{name} {version(name)}" for name in ("snntorch", "torch")))
torch.manual_seed(0)
torch.set_grad_enabled(False)
STEPS, BATCH, INPUTS, VALUES, KEYS = 100, 8, 4, 3, 2

layer = snntorch.AssociativeLeaky(
    in_dim=INPUTS, d_value=VALUES, d_key=KEYS, num_spiking_neurons=VALUES * KEYS, use_q_projection=False)
inputs = torch.randn(STEPS, BATCH, INPUTS)

def step_by_step():
    state, states = torch.zeros(BATCH, VALUES, KEYS, dtype=torch.float64), []
    for step in inputs:
        value, key, gate = (part(step).double() for part in (layer.to_v, layer.to_k, layer.to_alpha))
        state = state * torch.sigmoid(gate)[:, None, :] + value[:, :, None] * key[:, None, :]
        states.append(state.flatten(1))
    return torch.stack(states)

expected = step_by_step()
spikes = layer(inputs)
layer.output = False  # the state in place of spikes
state = layer(inputs)

for first, last in ((0, 10), (10, 35), (35, 100)):
    part = slice(first, last)
    print(f"steps {first} to {last}: expected a state up to {expected[part].abs().max():.3f} and "
          f"{int((expected[part] > 1).sum())} spikes, seen a state up to {state[part].abs().max():.3f} and "
          f"{int(spikes[part].sum())} spikes")

if not torch.allclose(state[:10].double(), expected[:10], atol=0.01):
    sys.exit("changed: the first steps no longer agree with the reference")
if not (state[30:].abs().max() < 0.01 * expected[30:].abs().max()):
    sys.exit("changed: the state no longer vanishes")
if spikes[35:].sum() or (expected[35:] > 1).sum() < 10:
    sys.exit("changed: later inputs reach the layer")
print("as stated")
PY
