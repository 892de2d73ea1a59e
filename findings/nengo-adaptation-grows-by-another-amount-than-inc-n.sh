#!/usr/bin/env bash
# Version: nengo 4.1.0, numpy 2.4.6.
#
# Behaviour: `AdaptiveLIF(tau_n, inc_n)` documents `inc_n` as "how much the adaptation state is increased after each
# spike", tau_n as how slowly it decays. The increase is inc_n * amplitude / tau_n: as documented for the defaults, 1
# and 1, alone. A shorter time constant makes a stronger adaptation, and an amplitude, "scaling factor on the neuron
# output", changes when the neuron fires.
#
# Seen: inc_n = 0.1. After the first spike the adaptation is 0.1 for tau_n = 1 s, 1.0 for 0.1 s and 10 for 0.01 s, each
# of which should be 0.1. With an amplitude of 0.001 it is 0.0001: a neuron that fires 35 times a second fires 98 times,
# nearly as without adaptation.
#
# Why it matters: parameters from papers or other simulators (an adaptation time constant of 100 ms is usual) give ten
# times the adaptation. Amplitudes are used to scale outputs, and take the adaptation away without a word.
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

def neuron(tau_n, inc_n, amplitude):
    """Return the increase of the adaptation at the first spike, and the spikes of one second."""
    kind = nengo.AdaptiveLIF(tau_n=tau_n, inc_n=inc_n, amplitude=amplitude,
                             initial_state={"voltage": nengo.dists.Choice([0])})
    with nengo.Network(seed=0) as network:
        ensemble = nengo.Ensemble(1, 1, neuron_type=kind, gain=[1], bias=[3.0])
        output = nengo.Probe(ensemble.neurons)
        adaptation = nengo.Probe(ensemble.neurons, "adaptation")
    with nengo.Simulator(network, progress_bar=False) as simulator:
        simulator.run(1.0)
    spikes = np.flatnonzero(simulator.data[output][:, 0])
    before, after = simulator.data[adaptation][spikes[0] - 1:spikes[0] + 1, 0]
    return float(after - before), len(spikes)

increase, count = {}, {}
for tau_n in (1.0, 0.1, 0.01):
    increase[tau_n], _ = neuron(tau_n, 0.1, 1)
    print(f"inc_n=0.1, tau_n={tau_n}: expected an increase of 0.1 at a spike, seen {increase[tau_n]:.4f}")
_, without = neuron(1.0, 0.0, 1)
for amplitude in (1, 0.1, 0.001):
    _, count[amplitude] = neuron(1.0, 0.1, amplitude)
    print(f"amplitude={amplitude}: expected {count[1]} spikes, seen {count[amplitude]} ({without} without adaptation)")

if not np.isclose(increase[1.0], 0.1):
    sys.exit("changed: with the default time constant the increase is no longer inc_n")
if not np.isclose(increase[0.1], 1) or not np.isclose(increase[0.01], 10):
    sys.exit("changed: the increase no longer depends on the time constant")
if count[0.001] < 2 * count[1]:
    sys.exit("changed: the amplitude of the output no longer changes the adaptation")
print("as stated")
PY
