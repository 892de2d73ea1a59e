#!/usr/bin/env bash
# Version: PyNN 0.13.0, brian2 2.9.0, numpy 2.1.3.
#
# Behaviour: an STDP synapse of PyNN takes a weight dependence: additive, multiplicative (by PyNN's description
# changes are proportional to w_max - w and to w - w_min), or additive upwards and multiplicative downwards.
# `pyNN.brian2` offers all three as classes of its own, takes from them w_min and w_max, and writes the additive rule
# for each. There is no warning. On NEST the same classes give three different rules.
#
# Seen: bounds 0 and 1, A_plus and A_minus 0.1, one pair of spikes. A weight of 0.9 before a pair that potentiates
# should become 0.977 by the additive rule and 0.908 by the multiplicative one: it is 0.977 for all three. A weight of
# 0.2 before a pair that depresses should become 0.122 and 0.184: it is 0.122 for all three.
#
# Why it matters: additive rules drive weights to their bounds, multiplicative ones to a single peak between them. A
# network that was built to have the second has the first, and a comparison of simulators finds another result.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.1.3 neo==0.14.6 quantities==0.16.4 lazyarray==0.7.0 \
    brian2==2.9.0 PyNN==0.13.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version
from math import exp

import brian2

brian2.prefs.codegen.target = "numpy"
brian2.BrianLogger.suppress_name("method_choice")
import pyNN.brian2 as sim

print(*(f"{name} {version(name)}" for name in ("PyNN", "brian2", "numpy")))
A, TAU, DELAY = 0.1, 20.0, 0.1

def learn(dependence, weight, time):
    """The weight after one spike from before at `time`, and the time of the one spike of the neuron behind."""
    sim.setup(timestep=0.1, min_delay=DELAY)
    before = sim.Population(1, sim.SpikeSourceArray(spike_times=[time]))
    driver = sim.Population(1, sim.SpikeSourceArray(spike_times=[15.0]))
    behind = sim.Population(1, sim.IF_curr_exp(tau_refrac=80.0))
    rule = sim.SpikePairRule(tau_plus=TAU, tau_minus=TAU, A_plus=A, A_minus=A)
    synapse = sim.STDPMechanism(rule, dependence, dendritic_delay_fraction=0, weight=weight, delay=DELAY)
    plastic = sim.Projection(before, behind, sim.AllToAllConnector(), synapse)
    sim.Projection(driver, behind, sim.AllToAllConnector(), sim.StaticSynapse(weight=200.0, delay=DELAY))
    behind.record("spikes")
    sim.run(50.0)
    (spike,) = behind.get_data().segments[0].spiketrains[0].magnitude
    return float(plastic.get("weight", format="array")[0, 0]), float(spike)

dependences = {
    "additive": sim.AdditiveWeightDependence(0.0, 1.0),
    "multiplicative": sim.MultiplicativeWeightDependence(0.0, 1.0),
    "additive upwards, multiplicative downwards": sim.AdditivePotentiationMultiplicativeDepression(0.0, 1.0),
}
additive, different = [], []
for name, dependence in dependences.items():
    up, spike = learn(dependence, 0.9, 10.0)
    down, _ = learn(dependence, 0.2, 20.0)
    trace_up, trace_down = A * exp(-(spike - 10.0 - DELAY) / TAU), A * exp(-(20.0 + DELAY - spike) / TAU)
    right_up = 0.9 + trace_up * (1.0 - 0.9 if name == "multiplicative" else 1.0)
    right_down = 0.2 - trace_down * (1.0 if name == "additive" else 0.2)
    print(f"{name}: from 0.9 upwards expected {right_up:.3f}, seen {up:.3f};",
          f"from 0.2 downwards expected {right_down:.3f}, seen {down:.3f}")
    additive.append(abs(up - 0.9 - trace_up) < 2e-3 and abs(down - 0.2 + trace_down) < 2e-3)
    different.append(abs(up - right_up) > 0.05 or abs(down - right_down) > 0.05)

if not all(additive):
    sys.exit("changed: the three weight dependences are no longer all additive")
if different != [False, True, True]:
    sys.exit("changed: the expected weights no longer differ from those seen")
print("as stated")
PY
