#!/usr/bin/env bash
# Version: PyNN 0.13.0, brian2 2.9.0, numpy 2.1.3.
#
# Behaviour: `setup(timestep=...)` sets the step of a simulation. `pyNN.brian2` gives it to neurons, synapses and
# monitors; the group behind `SpikeSourceArray` is made without it and has Brian's own default of 0.1 ms. Its spikes
# are cut down to that grid, whatever the time step is.
#
# Seen: spikes asked for at 1.02, 2.05, 3.57 and 7.79 ms, a step of 0.01 ms, of which all are multiples. Played at
# 1.0, 2.0, 3.5 and 7.7 ms, up to 0.09 ms or nine steps too early. At a step of 0.5 ms they are played at the same
# four times, the last one between two steps.
#
# Why it matters: small steps are set where spike times matter: coincidences, sound localization, STDP. Intervals
# between sources are then wrong by up to ten steps: spikes 0.03 ms apart come together, or 0.1 ms apart.
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
TIMES = [1.02, 2.05, 3.57, 7.79]

def play(step):
    sim.setup(timestep=step, min_delay=step)
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=TIMES))
    source.record("spikes")
    sim.run(20.0)
    return source.get_data().segments[0].spiketrains[0].magnitude

seen = {step: play(step) for step in (0.01, 0.1, 0.5)}
for step, times in seen.items():
    print(f"step of {step} ms, by get_time_step: spikes asked for at {TIMES}, seen at {np.round(times, 6).tolist()}")

grid = np.floor(np.array(TIMES) / 0.1) * 0.1
if any(not np.allclose(times, grid) for times in seen.values()):
    sys.exit("changed: spikes are no longer played on a grid of 0.1 ms at every time step")
print(f"at 0.01 ms the spikes are up to {np.max(TIMES - seen[0.01]) / 0.01:.0f} steps early")
print("as stated")
PY
