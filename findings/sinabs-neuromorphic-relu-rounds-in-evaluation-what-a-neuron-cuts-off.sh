#!/usr/bin/env bash
# Version: sinabs 3.1.3, torch 2.13.0.
#
# Behaviour: `NeuromorphicReLU` stands for a spiking neuron while an analog network is trained: its output is whole
# numbers, as counts of spikes are. `stochastic_rounding=True` rounds at random in training; in evaluation, the
# documentation says, "the value is simply floored". In evaluation it is rounded to the nearest whole number. Without
# `stochastic_rounding` it is floored.
#
# Seen: 0.4, 0.6, 1.4, 1.6 and 2.9 should become 0, 0, 1, 1 and 2 in evaluation, and do with
# `stochastic_rounding=False`. With True they become 0, 1, 1, 2 and 3. An IAF neuron of sinabs that gets these values
# spread over 100 steps fires 0, 0, 1, 1 and 2 times.
#
# Why it matters: evaluation is there to say what the spiking network will answer. With rounding it counts up to one
# spike more for half of the neurons, and the accuracy that was measured is not that of the chip.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 sinabs==3.1.3 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import sinabs.layers
import torch

print(*(f"{name} {version(name)}" for name in ("sinabs", "torch")))
torch.set_grad_enabled(False)
values = torch.tensor([0.4, 0.6, 1.4, 1.6, 2.9])
neurons = sinabs.layers.IAF()
spikes = neurons((values / 100).expand(1, 100, -1)).sum(1).flatten().int().tolist()
floored = values.floor().int().tolist()
seen = {}
for stochastic in (False, True):
    layer = sinabs.layers.NeuromorphicReLU(stochastic_rounding=stochastic).eval()
    seen[stochastic] = layer(values).int().tolist()
    print(f"stochastic_rounding={stochastic}, in evaluation: expected {floored}, seen {seen[stochastic]}")
print(f"spikes of IAF neurons in 100 steps: {spikes}")

if spikes != floored or seen[False] != floored:
    sys.exit("changed: neurons, or values without stochastic rounding, are no longer floored")
if seen[True] != values.round().int().tolist():
    sys.exit("changed: values with stochastic rounding are no longer rounded in evaluation")
print("as stated")
PY
