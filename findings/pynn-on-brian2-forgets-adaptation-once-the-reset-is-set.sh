#!/usr/bin/env bash
# Version: PyNN 0.13.0, brian2 2.9.0, numpy 2.1.3.
#
# Behaviour: at a spike an Izhikevich neuron has its membrane set to c and its recovery raised by d; an adaptive
# exponential neuron has v_reset and b likewise. After `population.set(c=...)` or `set(v_reset=...)`, `pyNN.brian2`
# writes a new rule for spikes with the membrane alone. d and b are as before when asked for, and are used no more.
#
# Seen: a current of 10 pA for 500 ms, an Izhikevich neuron with c = -65, d = 8: 12 spikes. The same after
# `set(c=-65)`, to the value that it has: 110 spikes, as many as with d = 0. An adaptive exponential neuron with b =
# 0.5 nA: 5 spikes, after `set(v_reset=...)` to its own value 39, as with b = 0.
#
# Why it matters: `set` is how a scan over the reset potential is written. All its points but the one that was given
# at creation are of neurons without adaptation; the step between them looks like an effect of the reset potential.
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

def count(cell, **later):
    """The spikes of one neuron in 500 ms, some parameters set after its creation."""
    sim.setup(timestep=0.1, min_delay=0.1)
    neuron = sim.Population(1, cell)
    if later:
        neuron.set(**later)
    neuron.record("spikes")
    sim.run(500.0)
    return len(neuron.get_data().segments[0].spiketrains[0])

def compare(name, model, reset, value, jump, **parameters):
    """Spikes as created, after setting the reset to the value that it has, and of a neuron without its jump."""
    cell = {reset: value, **jump, **parameters}
    created = count(model(**cell))
    again = count(model(**cell), **{reset: value})
    without = count(model(**{**cell, **dict.fromkeys(jump, 0.0)}))
    print(f"{name}, {cell}: {created} spikes; after set({reset}={value}) expected {created}, seen {again};",
          f"with {next(iter(jump))} = 0: {without}")
    return created, again, without

seen = [
    compare("Izhikevich", sim.Izhikevich, "c", -65.0, {"d": 8.0}, i_offset=0.01),
    compare("EIF_cond_exp_isfa_ista", sim.EIF_cond_exp_isfa_ista, "v_reset", -70.6, {"b": 0.5}, i_offset=1.0),
]
for created, again, without in seen:
    if without < created + 20:
        sys.exit("changed: neurons with and without adaptation no longer differ")
    if again != without:
        sys.exit("changed: a neuron no longer forgets its adaptation when its reset is set")
print("as stated")
PY
