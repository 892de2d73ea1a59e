#!/usr/bin/env bash
# Version: PyNN 0.13.0, brian2 2.9.0, numpy 2.1.3.
#
# Behaviour: `IF_curr_alpha` has two synaptic time constants, tau_syn_E and tau_syn_I. The equations that
# `pyNN.brian2` writes for it have tau_syn_E in both currents: tau_syn_I is taken, given back by `get`, and used
# nowhere.
#
# Seen: one inhibitory spike, a membrane of 20 ms. Of three neurons with tau_syn_I of 1, 2 and 10 ms the membrane
# should be lowest 4.8, 8 and 25.1 ms after the spike, by 0.22, 0.39 and 1.11 mV. With tau_syn_E = 2 ms it is lowest
# after 8.1 ms, by 0.39 mV, in all three; with tau_syn_E = 10 ms after 25.2 ms, by 1.11 mV, in all three.
#
# Why it matters: slow inhibition is a usual reason to set tau_syn_I at all. With it a network is several times less
# inhibited on Brian 2 than on other simulators, for which PyNN is meant to give the same model.
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
import numpy as np

brian2.prefs.codegen.target = "numpy"
brian2.BrianLogger.suppress_name("method_choice")
import pyNN.brian2 as sim

print(*(f"{name} {version(name)}" for name in ("PyNN", "brian2", "numpy")))
STEP, WEIGHT, TAU_M, C = 0.1, -0.1, 20.0, 1.0

def expected(tau):
    """When the membrane is lowest after a spike and by how much: an alpha current into a leak, by small steps."""
    step, membrane, course = 0.001, 0.0, []
    for time in np.arange(0.0, 100.0, step):
        current = WEIGHT * np.e * time / tau * np.exp(-time / tau)
        membrane += step * (current / C - membrane / TAU_M)
        course.append(membrane)
    return float(np.argmin(course) * step), float(-min(course))

def seen(excitatory, inhibitory):
    sim.setup(timestep=STEP, min_delay=STEP)
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[10.0]))
    leak = {"tau_m": TAU_M, "cm": C, "v_rest": -65.0}
    neurons = [sim.Population(1, sim.IF_curr_alpha(tau_syn_E=excitatory, tau_syn_I=tau, **leak)) for tau in inhibitory]
    for neuron in neurons:
        neuron.record("v")
        sim.Projection(source, neuron, sim.AllToAllConnector(), sim.StaticSynapse(weight=WEIGHT, delay=STEP),
                       receptor_type="inhibitory")
    sim.run(100.0)
    courses = [neuron.get_data().segments[0].analogsignals[0].magnitude[:, 0] + 65.0 for neuron in neurons]
    return [(float(course.argmin()) * STEP - 10.0 - STEP, float(-course.min())) for course in courses]

CONSTANTS = (1.0, 2.0, 10.0)
right, fast, slow = [expected(tau) for tau in CONSTANTS], seen(2.0, CONSTANTS), seen(10.0, CONSTANTS)
for tau, (when, depth), (when_fast, depth_fast), (when_slow, depth_slow) in zip(CONSTANTS, right, fast, slow):
    print(f"tau_syn_I = {tau:g} ms: expected {depth:.2f} mV after {when:.1f} ms,",
          f"seen with tau_syn_E = 2 ms {depth_fast:.2f} mV after {when_fast:.1f} ms,",
          f"with tau_syn_E = 10 ms {depth_slow:.2f} mV after {when_slow:.1f} ms")

def close(a, b):
    return abs(a[0] - b[0]) < 0.5 and abs(a[1] - b[1]) < 0.02

if not close(fast[1], right[1]) or not close(slow[2], right[2]):
    sys.exit("changed: where both time constants are equal, the membrane is no longer as expected")
if any(not close(course, right[1]) for course in fast) or any(not close(course, right[2]) for course in slow):
    sys.exit("changed: the inhibitory current no longer decays by tau_syn_E")
print("as stated")
PY
