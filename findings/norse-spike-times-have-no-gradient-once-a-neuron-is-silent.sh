#!/usr/bin/env bash
# Version: norse 1.1.0, torch 2.13.0.
#
# Behaviour: SpikesToTimesDecoder turns spikes into the times of the first of them, with a gradient, for losses of
# spike times. A neuron with fewer spikes than asked for has the time inf, as documented. The gradient is then an
# error: it leaves the neuron out of the places that it writes to, and not out of the values.
#
# Seen: three neurons over six time steps. With a spike of each the gradient of the sum of the times reaches the
# three spikes. With one neuron silent, which the loss leaves out, backward raises a RuntimeError about shapes.
#
# Why it matters: at the start of training, or after dropout, some neuron of a batch is nearly always silent.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 norse==1.1.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import norse.torch
import torch

print("norse", version("norse"), "torch", torch.__version__)

def gradient(silent):
    """Return the places that the gradient of the finite times reaches, or the error."""
    spikes = torch.zeros(6, 1, 3)
    for neuron, step in enumerate((1, 2) if silent else (1, 2, 4)):
        spikes[step, 0, neuron] = 1
    spikes.requires_grad_()
    times = norse.torch.SpikesToTimesDecoder(spike_count=1)(spikes)
    print("times:", [round(value, 4) for value in times.ravel().tolist()])
    try:
        times[times.isfinite()].sum().backward()
    except RuntimeError as error:
        return f"{type(error).__name__}: {error}"
    return spikes.grad.nonzero()[:, [0, 2]].tolist()

all_fire, one_silent = gradient(silent=False), gradient(silent=True)
print("each neuron fires: expected a gradient at [[1, 0], [2, 1], [4, 2]], seen", all_fire)
print("one is silent: expected a gradient at [[1, 0], [2, 1]], seen", one_silent)

if all_fire != [[1, 0], [2, 1], [4, 2]]:
    sys.exit("changed: with spikes of all neurons the gradient is another")
if not str(one_silent).startswith("RuntimeError: shape mismatch"):
    sys.exit("changed: with a silent neuron the gradient is no error")
print("as stated")
PY
