#!/usr/bin/env bash
# Version: PyNN 0.13.0, brian2 2.9.0, numpy 2.1.3.
#
# Behaviour: parameters of a PyNN population may be a list, one value for each neuron. For `Izhikevich`, the adaptive
# exponential `EIF_cond_exp_isfa_ista` and its relatives, `pyNN.brian2` writes what happens at a spike as text, with
# the values of the first neuron: c and d, or v_reset and b, of all others are ignored. There is no warning.
#
# Seen: a current of 10 pA for 500 ms. An Izhikevich neuron with c = -65, d = 8 has 12 spikes, one with c = -50, d = 2
# has 46. As one population of two neurons with these lists both have 12, and in the other order both have 46.
# Adaptive exponential neurons with b = 0 and b = 0.5 nA have 39 and 5 spikes, as one population 39 each.
#
# Why it matters: mixtures of regular spiking, bursting and chattering neurons, drawn at random from a range of c and
# d, are the usual network of these neurons. Here they are all of the type of neuron 0.
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

import brian2

brian2.prefs.codegen.target = "numpy"
brian2.BrianLogger.suppress_name("method_choice")
import pyNN.brian2 as sim

print(*(f"{name} {version(name)}" for name in ("PyNN", "brian2", "numpy")))

def counts(model, **parameters):
    """The spikes of each neuron of one population in 500 ms."""
    sim.setup(timestep=0.1, min_delay=0.1)
    size = max(len(value) if isinstance(value, list) else 1 for value in parameters.values())
    population = sim.Population(size, model(**parameters))
    population.record("spikes")
    sim.run(500.0)
    return [len(train) for train in population.get_data().segments[0].spiketrains]

def compare(name, model, first, second, **common):
    alone = counts(model, **first, **common) + counts(model, **second, **common)
    together = counts(model, **{key: [first[key], second[key]] for key in first}, **common)
    reverse = counts(model, **{key: [second[key], first[key]] for key in first}, **common)
    print(f"{name}, {first} and {second}")
    print(f"  each alone: {alone} spikes; one population: expected {alone}, seen {together};",
          f"in the other order: expected {alone[::-1]}, seen {reverse}")
    return alone, together, reverse

izhikevich = compare("Izhikevich", sim.Izhikevich, {"c": -65.0, "d": 8.0}, {"c": -50.0, "d": 2.0}, i_offset=0.01)
adaptive = compare("EIF_cond_exp_isfa_ista", sim.EIF_cond_exp_isfa_ista, {"b": 0.0}, {"b": 0.5}, i_offset=1.0)

for alone, together, reverse in (izhikevich, adaptive):
    if abs(alone[0] - alone[1]) < 10:
        sys.exit("changed: the two neurons no longer differ when each is alone")
    if together != [alone[0]] * 2 or reverse != [alone[1]] * 2:
        sys.exit("changed: neurons of one population no longer have the reset of the first")
print("as stated")
PY
