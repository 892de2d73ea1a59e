#!/usr/bin/env bash
# Version: sinabs 3.1.3, torch 2.13.0.
#
# Behaviour: `MembraneReset(reset_value=)` is documented as "Reset the membrane potential v_mem to a given value
# after it spiked", the value as the one "that a neuron should be reset to". It multiplies the membranes of neurons
# that fired by 0 and then adds the value to all neurons, at every step, fired or not. With the default of 0 nobody
# sees it.
#
# Seen: LIF neurons (tau 20, threshold 1) without any input for 40 steps. With a reset value of 0.25 they should
# stay at 0; they fire 7 times. With -0.25, as one would set to have a pause after each spike, they sink to -4.43,
# and an input of 0.2 a step, at which they should fire 5 times, leaves them silent.
#
# Why it matters: any reset value but 0 is a constant current into every neuron. It trains, as weights and biases
# work against it, and what is trained is not the neuron that was asked for, nor the one that a chip or another
# library runs.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 sinabs==3.1.3 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import math
import sys
from importlib.metadata import version

import sinabs.layers as sl
import torch
from sinabs.activation import MembraneReset, SingleSpike

print(*(f"{name} {version(name)}" for name in ("sinabs", "torch")))
torch.set_grad_enabled(False)
TAU, STEPS = 20.0, 40

def by_hand(current, reset):
    membrane, spikes = 0.0, 0
    for _ in range(STEPS):
        membrane = math.exp(-1 / TAU) * membrane + current
        if membrane >= 1:
            spikes, membrane = spikes + 1, reset
    return spikes, membrane

def in_sinabs(current, reset):
    layer = sl.LIF(tau_mem=TAU, norm_input=False, spike_fn=SingleSpike, reset_fn=MembraneReset(reset))
    spikes = layer(torch.full((1, STEPS, 1), current))
    return int(spikes.sum()), layer.v_mem.item()

seen = {}
for current, reset in ((0.0, 0.0), (0.2, 0.0), (0.0, 0.25), (0.0, -0.25), (0.2, -0.25)):
    expected, seen[current, reset] = by_hand(current, reset), in_sinabs(current, reset)
    print(f"input {current}, reset value {reset}: expected {expected[0]} spikes and {expected[1]:.2f} at the end, "
          f"seen {seen[current, reset][0]} and {seen[current, reset][1]:.2f}")
    if reset == 0 and seen[current, reset][0] != expected[0]:
        sys.exit("changed: sinabs no longer gives the reference where the reset value is 0")

if seen[0.0, 0.25][0] == 0 or seen[0.0, -0.25][1] == 0 or seen[0.2, -0.25][0] == by_hand(0.2, -0.25)[0]:
    sys.exit("changed: the reset value no longer reaches neurons that did not fire")
print("as stated")
PY
