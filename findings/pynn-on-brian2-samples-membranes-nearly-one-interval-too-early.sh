#!/usr/bin/env bash
# Version: PyNN 0.13.0, brian2 2.9.0, numpy 2.1.3.
#
# Behaviour: `record("v", sampling_interval=...)` records less often than at each step. `pyNN.brian2` reads the first
# value at the end of the first step, then one each interval, and puts the initial value before them: what stands at
# the time k * interval is the membrane of (k - 1) * interval + one step. Without `sampling_interval` the times are
# right.
#
# Seen: steps of 0.1 ms, a neuron under a constant current, sampled each 5 ms. At 5 ms its membrane should be -62.788
# mV, seen is -64.950 mV, its value at 0.1 ms; at 10 ms it is that of 5.1 ms, and so on, all 4.9 ms too early. The
# difference from the same neuron recorded at each step, at the same times, is up to 2.2 mV.
#
# Why it matters: a spike and the membrane that led to it do not fit each other any more, phases and latencies are
# wrong by nearly the interval, and the same script on another simulator gives another curve.
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
STEP, INTERVAL, CURRENT, TAU, REST = 0.1, 5.0, 0.5, 20.0, -65.0

sim.setup(timestep=STEP, min_delay=STEP)
cell = sim.IF_curr_exp(i_offset=CURRENT, tau_m=TAU, cm=1.0, v_rest=REST)
each, sampled = sim.Population(1, cell), sim.Population(1, cell)
for population, options in ((each, {}), (sampled, {"sampling_interval": INTERVAL})):
    population.initialize(v=REST)
    population.record("v", **options)
sim.run(50.0)

def course(population):
    signal = population.get_data().segments[0].analogsignals[0]
    return signal.times.rescale("ms").magnitude, signal.magnitude[:, 0]

def membrane(times):
    return REST + CURRENT * TAU * (1.0 - np.exp(-times / TAU))

times, values = course(sampled)
for time, value in zip(times[:4], values):
    print(f"at {time:4.1f} ms: expected {membrane(time):.3f} mV, seen {value:.3f} mV")
all_times, all_values = course(each)
early = membrane(np.maximum(times - INTERVAL + STEP, 0.0) * (times > 0))
print(f"recorded at each step: largest error {np.abs(all_values - membrane(all_times)).max():.3f} mV;",
      f"each {INTERVAL:g} ms: {np.abs(values - membrane(times)).max():.3f} mV,",
      f"from the membrane {INTERVAL - STEP:g} ms before {np.abs(values - early).max():.3f} mV")

if np.abs(all_values - membrane(all_times)).max() > 1e-3:
    sys.exit("changed: what is recorded at each step is no longer right")
if not np.allclose(times, np.arange(0.0, 50.1, INTERVAL)):
    sys.exit("changed: the times of the samples")
if np.abs(values - membrane(times)).max() < 1.0 or np.abs(values - early).max() > 1e-3:
    sys.exit("changed: samples are no longer those of nearly one interval before")
print("as stated")
PY
