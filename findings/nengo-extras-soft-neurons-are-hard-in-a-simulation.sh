#!/usr/bin/env bash
# Version: nengo-extras 0.5.0, nengo 4.1.0, numpy 2.4.6.
#
# Behaviour: `SoftLIFRate` is a rate neuron with a threshold smoothed by sigma, made for training. Its smoothing is in
# `step_math`, which Nengo calls `step` since 3.1: the simulator takes the `step` of the class above, `LIFRate`, with
# a hard threshold. `rates`, from which decoders are solved, is smooth. There is no warning. `FastLIF` and `NumbaLIF`
# of the same module are likewise Nengo's own `LIF` in a simulation.
#
# Seen: currents of 0, 0.5, 1, 1.5 and 3, the threshold is 1. With sigma = 1 rates should be, and by `rates` are,
# 32.6, 40.5, 50.3, 62.0 and 103.0 Hz. In a simulation they are 0, 0, 0, 41.7 and 98.9 Hz, those of `LIFRate`,
# whatever sigma is.
#
# Why it matters: a network that was trained with soft neurons and is tested with them in Nengo before it goes to
# spikes is tested with other neurons, and its decoders are made for a curve that no neuron of the simulation has.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 scipy==1.17.1 matplotlib==3.10.8 pillow==12.0.0 \
    nengo==4.1.0 nengo-extras==0.5.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import nengo
import numpy as np
from nengo_extras.neurons import FastLIF, NumbaLIF, SoftLIFRate

print(*(f"{name} {version(name)}" for name in ("nengo-extras", "nengo", "numpy")))
CURRENTS, TAU_REF, TAU_RC = np.array([0.0, 0.5, 1.0, 1.5, 3.0]), 0.002, 0.02

def soft(current, sigma):
    """The rate of a LIF neuron whose current above the threshold is smoothed."""
    above = sigma * np.log1p(np.exp((current - 1.0) / sigma))
    return 1.0 / (TAU_REF + TAU_RC * np.log1p(1.0 / above))

def simulate(neuron):
    """The rates of five neurons with these currents."""
    with nengo.Network(seed=0) as network:
        group = nengo.Ensemble(5, 1, neuron_type=neuron, gain=np.ones(5), bias=CURRENTS, encoders=np.ones((5, 1)))
        probe = nengo.Probe(group.neurons)
    with nengo.Simulator(network, progress_bar=False) as simulator:
        simulator.run(0.01)
    return simulator.data[probe][-1]

seen, asked = {}, {}
for sigma in (1.0, 0.02):
    neuron = SoftLIFRate(sigma=sigma, tau_rc=TAU_RC, tau_ref=TAU_REF)
    seen[sigma], asked[sigma] = simulate(neuron), neuron.rates(np.zeros((1, 5)), np.ones(5), CURRENTS)[0]
    print(f"sigma = {sigma:g}: expected {soft(CURRENTS, sigma).round(1).tolist()} Hz, by `rates`",
          f"{asked[sigma].round(1).tolist()}, in a simulation {seen[sigma].round(1).tolist()}")
hard = simulate(nengo.LIFRate(tau_rc=TAU_RC, tau_ref=TAU_REF))

same = FastLIF.step is nengo.LIF.step and NumbaLIF.step is nengo.LIF.step
print(f"FastLIF and NumbaLIF have the step of nengo.LIF: {same}")

if any(not np.allclose(asked[sigma], soft(CURRENTS, sigma)) for sigma in seen):
    sys.exit("changed: `rates` is no longer the smoothed curve")
if any(not np.allclose(rates, hard) for rates in seen.values()):
    sys.exit("changed: soft neurons are no longer hard in a simulation")
if not same:
    sys.exit("changed: the step of FastLIF or NumbaLIF")
print("as stated")
PY
