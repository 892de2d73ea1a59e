#!/usr/bin/env bash
# Version: nengo 4.1.0, numpy 2.4.6.
#
# Behaviour: `Izhikevich` neurons begin at voltages between 0 and 1, the range of the library's other neurons, with a
# recovery of 0. In this model voltages are millivolts: it rests at -70, its threshold is near -55, spikes are counted
# at 30. From 0 mV the model fires at once: all neurons fire in the first time step, whatever their input is.
#
# Seen: 100 neurons, inhibited by -30, by -10, or without input: none should fire, and in each case all 100 fire in the
# first step and none afterwards. Begun at rest, with a voltage of -70 and a recovery of -14, none fires.
#
# Why it matters: a volley of all neurons goes through the network before it has an input. It sets off learning rules
# and recurrent connections, is the highest peak of a histogram, and leaves a recovery that keeps the neurons silent
# longer.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 nengo==4.1.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import nengo
import numpy as np

print("nengo", version("nengo"), "numpy", version("numpy"))
REST = {"voltage": nengo.dists.Choice([-70.0]), "recovery": nengo.dists.Choice([-14.0])}

def spikes(kind, current):
    """Return the spikes of 100 neurons in the first time step and in the rest of half a second."""
    with nengo.Network(seed=0) as network:
        ensemble = nengo.Ensemble(100, 1, neuron_type=kind, gain=np.ones(100), bias=np.full(100, current))
        output = nengo.Probe(ensemble.neurons)
    with nengo.Simulator(network, progress_bar=False) as simulator:
        simulator.run(0.5)
    counts = (simulator.data[output] > 0).sum(1)
    return int(counts[0]), int(counts[1:].sum())

seen, rest = {}, {}
for current in (-30.0, -10.0, 0.0):
    seen[current] = spikes(nengo.Izhikevich(), current)
    rest[current] = spikes(nengo.Izhikevich(initial_state=REST), current)
    print(f"input {current}: expected no spikes, seen {seen[current][0]} in the first step and {seen[current][1]} "
          f"later; begun at rest {sum(rest[current])}")
driven = spikes(nengo.Izhikevich(initial_state=REST), 10.0)
lif = spikes(nengo.LIF(), 0.0)
print(f"begun at rest, input 10: {driven[0]} in the first step, {driven[1]} later; LIF neurons without input: "
      f"{sum(lif)}")

if any(sum(counts) for counts in rest.values()) or not driven[1] or sum(lif):
    sys.exit("changed: neurons begun at rest no longer fire with input alone")
if any(counts != (100, 0) for counts in seen.values()):
    sys.exit("changed: neurons no longer fire without input in the first step")
print("as stated")
PY
