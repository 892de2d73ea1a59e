#!/usr/bin/env bash
# Versions: nir 1.0.8, snntorch 1.0.0 (as a check: norse 1.1.0), nirtorch 2.6, torch 2.13.0.
#
# Behaviour: a NIR node may give each neuron its own time constant. snnTorch's importer folds
# the input factor r * dt / tau of a LIF node into the threshold, but divides the thresholds of
# all neurons by one value, the smallest factor of the layer. Only the neurons with that factor
# are right; the faster ones get a threshold that is too high. One line is printed that speaks
# of "scaling weights"; there is no error, and the module that comes back looks complete.
#
# Seen: three neurons, tau of 2, 4 and 8 steps, threshold 1, constant input 1.6, twelve steps.
# By the equation (and in Norse) they fire 6, 3 and 1 times; in snnTorch 0, 0 and 1 times: all
# three have got the threshold 8.
#
# Why it matters: layers with learned or mixed time constants are what recurrent and audio
# networks gain from. Read into snnTorch, their fast neurons fall silent.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 nir==1.0.8 nirtorch==2.6 snntorch==1.0.0 \
    norse==1.1.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import contextlib, io, logging, sys
from importlib.metadata import version

import nir, norse.torch, numpy as np, torch
from snntorch.import_nir import import_from_nir

logging.disable(logging.WARNING)
print(*(f"{name} {version(name)}" for name in ("nir", "nirtorch", "snntorch", "norse", "torch")), sep=", ")

DT, STEPS, INPUT = 1e-4, 12, 1.6
tau = np.array([2, 4, 8], np.float32) * np.float32(DT)
ones, zeros = np.ones(3, np.float32), np.zeros(3, np.float32)
nir.write("layer.nir", nir.NIRGraph(
    nodes={
        "input": nir.Input(np.array([3])),
        "weights": nir.Linear(weight=np.eye(3, dtype=np.float32)),
        "lif": nir.LIF(tau=tau, r=ones, v_leak=zeros, v_threshold=ones, v_reset=zeros),
        "output": nir.Output(np.array([3])),
    },
    edges=[("input", "weights"), ("weights", "lif"), ("lif", "output")],
))

def counts(module):
    state, total = None, np.zeros(3, int)
    for _ in range(STEPS):
        spikes, state = module(torch.full((1, 3), INPUT), state)
        total += spikes.detach().numpy()[0].astype(int)
    return total.tolist()

# NIR's own equation, one Euler step a time step
membrane, expected = np.zeros(3), np.zeros(3, int)
for _ in range(STEPS):
    membrane += DT / tau * (INPUT - membrane)
    fired = membrane > 1
    expected += fired
    membrane[fired] = 0
expected = expected.tolist()

in_norse = counts(norse.torch.from_nir(nir.read("layer.nir"), dt=DT))
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    module = import_from_nir(nir.read("layer.nir"))
in_snntorch = counts(module)
threshold = module.lif.threshold.reshape(-1).tolist()

print("expected spikes of the three neurons:", expected)
print("seen in Norse:                       ", in_norse)
print("seen in snnTorch:                    ", in_snntorch, "with threshold", threshold)
if expected != [6, 3, 1] or in_norse != expected:
    sys.exit("changed: Norse no longer gives the reference")
if in_snntorch != [0, 0, 1] or not np.allclose(threshold, [8.0]):
    sys.exit("changed: snnTorch no longer gives all neurons the slowest one's threshold")
print("as stated")
PY
