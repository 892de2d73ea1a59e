#!/usr/bin/env bash
# Versions: nir 1.0.8, nirtorch 2.6, spikingjelly 2.0.0, snntorch 1.0.0, norse 1.1.0, torch 2.13.0.
#
# Behaviour: NIR says that a neuron fires where its membrane is above the threshold. snnTorch
# and Norse do that; SpikingJelly fires where the membrane has reached it (>=). With weights as
# training leaves them the two are never told apart. With weights on a grid, as after
# quantisation, membranes meet the threshold exactly and one file gives two networks.
#
# Seen: 32 neurons, weights multiples of 1/8, decay 1/2, 20 steps of random spikes: 183 spikes
# in snnTorch and Norse (all 640 outputs as in NIR's equation), 188 in SpikingJelly, and 13
# outputs that differ. With the threshold raised by a thousandth all three agree everywhere.
#
# Why it matters: a quantised network that is checked in one of these libraries and deployed
# from another changes its spikes, and no tolerance on weights or membranes explains it. The
# remedy is a threshold that lies between two levels of the grid.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 nir==1.0.8 nirtorch==2.6 snntorch==1.0.0 \
    norse==1.1.0 spikingjelly==2.0.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - 2>err.log <<'PY' || { code=$?; cat err.log; exit $code; }
import contextlib, io, logging, sys
from importlib.metadata import version

import nir, norse.torch, numpy as np, torch
from snntorch.import_nir import import_from_nir as into_snntorch
from spikingjelly.activation_based.nir_exchange.from_nir import import_from_nir as into_spikingjelly

logging.disable(logging.WARNING)
print(*(f"{name} {version(name)}" for name in ("nir", "nirtorch", "spikingjelly", "snntorch", "norse", "torch")), sep=", ")

DT, NEURONS, INPUTS, STEPS = 1e-4, 32, 64, 20
rng = np.random.default_rng(0)
weights = (rng.integers(-4, 5, (NEURONS, INPUTS)) / 8).astype(np.float32)
spikes_in = (rng.random((STEPS, INPUTS)) < 0.3).astype(np.float32)

def full(value):
    return np.full(NEURONS, value, np.float32)

def write(threshold):
    nir.write("grid.nir", nir.NIRGraph(
        nodes={
            "input": nir.Input(np.array([INPUTS])),
            "weights": nir.Linear(weight=weights),
            "lif": nir.LIF(tau=full(2 * DT), r=full(1), v_leak=full(0), v_threshold=full(threshold), v_reset=full(0)),
            "output": nir.Output(np.array([NEURONS])),
        },
        edges=[("input", "weights"), ("weights", "lif"), ("lif", "output")],
    ))

def run(module):
    state, out = None, []
    for x in torch.from_numpy(spikes_in):
        spikes, state = module(x[None], state)
        out.append(spikes.detach().numpy()[0])
    return np.array(out)

def equation(threshold):
    membrane, out = np.zeros(NEURONS, np.float32), []
    for x in spikes_in:
        membrane += np.float32(0.5) * (weights @ x - membrane)
        fired = membrane > np.float32(threshold)
        membrane[fired] = 0
        out.append(fired)
    return np.array(out, np.float32)

differ = {}
for threshold in (0.5, 0.5005):
    write(threshold)
    expected = equation(threshold)
    print(f"threshold {threshold}: expected {int(expected.sum())} spikes")
    with contextlib.redirect_stdout(io.StringIO()):
        readers = {
            "snntorch": into_snntorch(nir.read("grid.nir")),
            "norse": norse.torch.from_nir(nir.read("grid.nir"), dt=DT),
            "spikingjelly": into_spikingjelly("grid.nir", dt=DT),
        }
    for name, module in readers.items():
        seen = run(module)
        differ[name, threshold] = int((seen != expected).sum())
        print(f"  {name}: {int(seen.sum())} spikes, {differ[name, threshold]} of {seen.size} outputs differ")

if any(differ[name, t] for name in ("snntorch", "norse") for t in (0.5, 0.5005)):
    sys.exit("changed: snnTorch or Norse no longer follow NIR's equation")
if differ["spikingjelly", 0.5005]:
    sys.exit("changed: SpikingJelly differs without a membrane at the threshold")
if differ["spikingjelly", 0.5] != 13:
    sys.exit("changed: SpikingJelly treats a membrane at the threshold in another way")
print("as stated")
PY
