#!/usr/bin/env bash
# Version: snntorch 1.0.0, torch 2.13.0.
#
# Behaviour: `SLSTM(input_size, hidden_size)` is an LSTM cell with spikes. Before each step it compares the shapes of
# its two states with the shape of the input, in place of their own, and makes them zeros where they differ. Where the
# two sizes are not equal, each step therefore begins from nothing, in both modes: states that are handed over are
# thrown away as well, and those kept by `init_hidden=True`.
#
# Seen: sequences of 20 steps. With 4 inputs and 4 hidden neurons the cell state agrees with PyTorch's LSTM cell run
# over the whole sequence. With 4 inputs and 6 hidden neurons it is that of a cell that has seen the last step alone,
# in both modes, and exchanging all steps before the last one changes nothing.
#
# Why it matters: sizes of input and hidden layer are nearly never equal. The layer is a feed-forward one that
# costs as much as an LSTM, and trains without any error: only tasks that need memory fail.
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
STEPS, BATCH, INPUTS = 20, 2, 4

def reference(layer, sequence):
    """Return the cell state after a sequence, by PyTorch's own cell with the weights of the layer."""
    zeros = torch.zeros(BATCH, layer.hidden_size)
    states = zeros, zeros
    for step in sequence:
        states = layer.lstm_cell(step, states)
    return states[1]

def run(layer, sequence):
    syn = mem = None
    for step in sequence:
        if layer.init_hidden:
            layer(step)
        else:
            _, syn, mem = layer(step, syn, mem)
    return layer.syn if layer.init_hidden else syn

sequence = torch.rand(STEPS, BATCH, INPUTS)
other = torch.cat([torch.rand(STEPS - 1, BATCH, INPUTS), sequence[-1:]])
for hidden in (INPUTS, 6):
    for kept in (True, False):
        layer = snntorch.SLSTM(INPUTS, hidden, init_hidden=kept)
        seen = run(layer, sequence)
        whole = torch.allclose(seen, reference(layer, sequence), atol=1e-6)
        last = torch.allclose(seen, reference(layer, sequence[-1:]), atol=1e-6)
        same = torch.equal(seen, run(layer, other))
        print(f"{INPUTS} inputs, {hidden} hidden, init_hidden={kept}: expected the state after {STEPS} steps, "
              f"seen that of all steps: {whole}, of the last step alone: {last}, other steps before: same {same}")
        if hidden == INPUTS and not (whole and not last and not same):
            sys.exit("changed: with equal sizes the layer is no longer an LSTM cell")
        if hidden != INPUTS and not (last and not whole and same):
            sys.exit("changed: with other sizes the layer no longer forgets at every step")
print("as stated")
PY
