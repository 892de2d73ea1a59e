#!/usr/bin/env bash
# Version: sinabs 3.1.3, torch 2.13.0.
#
# Behaviour: the hooks of `register_synops_hooks` give synaptic operations "averaged across batches / timesteps". They
# average over the first dimension alone. That is right for the squeezed layers (`IAFSqueeze`), whose first dimension
# is batch and time together. With `IAF`, `LIF` and the like, whose inputs are batch x time x neurons, a linear layer's
# operations are summed over time: "per timestep" is per sample, and "per second" as much too large.
#
# Seen: 5 inputs that fire in each step and 3 neurons, 15 operations a step. With `IAFSqueeze` 15 are seen. With `IAF`
# it is 150 for samples of 10 steps and 1,500 for samples of 100, and 1,500,000 "per second" at 1 ms in place of 15,000.
#
# Why it matters: these numbers are reported as the energy of a network, and a term of the loss that holds them down is
# as many times too strong as samples have steps. The same network has another number after it is squeezed for the chip.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 sinabs==3.1.3 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import sinabs.hooks
import sinabs.layers
import torch
from torch import nn

print(*(f"{name} {version(name)}" for name in ("sinabs", "torch")))
torch.set_grad_enabled(False)
BATCH, INPUTS, NEURONS, DT = 2, 5, 3, 1e-3

seen = {}
for squeezed in (True, False):
    neurons = sinabs.layers.IAFSqueeze(batch_size=BATCH) if squeezed else sinabs.layers.IAF()
    network = nn.Sequential(nn.Linear(INPUTS, NEURONS, bias=False), neurons)
    sinabs.hooks.register_synops_hooks(network, dt=DT)
    for steps in (10, 100):
        spikes = torch.ones(BATCH, steps, INPUTS)
        network(spikes.flatten(0, 1) if squeezed else spikes)
        data = network.hook_data
        seen[squeezed, steps] = round(float(data["total_synops_per_timestep"]), 3)
        print(f"{type(neurons).__name__}, {steps} steps: expected {INPUTS * NEURONS} operations a step, seen",
              f"{seen[squeezed, steps]:g}; a second {INPUTS * NEURONS / DT:.0f}, seen",
              f"{float(data['total_synops_per_second']):.0f}")

if any(seen[True, steps] != INPUTS * NEURONS for steps in (10, 100)):
    sys.exit("changed: operations of a squeezed network are no longer right")
if any(seen[False, steps] != steps * INPUTS * NEURONS for steps in (10, 100)):
    sys.exit("changed: operations of a network that is not squeezed are no longer summed over time")
print("as stated")
PY
