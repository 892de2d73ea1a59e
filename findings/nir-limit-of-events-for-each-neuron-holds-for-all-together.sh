#!/usr/bin/env bash
# Version: nir 1.0.8, numpy 2.4.6.
#
# Behaviour: `TimeGriddedData.to_event(n_events)` turns a grid of spikes into events, with at most n_events for each
# neuron, by its description. The limit is that of all neurons of a sample together, and what comes after it in time
# is left out without a word.
#
# Seen: 3 neurons that fire at each of 10 steps, a limit of 10, which no neuron exceeds. Of 30 spikes 10 are left, the
# first 3 steps and one spike more; turned back into a grid, the network is silent from step 4 on.
#
# Why it matters: a limit set to the number of steps, by its description always enough, cuts a recording of 100
# neurons that fire in a tenth of the steps after a tenth of its time. Compared with it, another tool fires too much.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 nir==1.0.8 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import nir
import numpy as np

print("nir", version("nir"), "numpy", version("numpy"))
STEPS, NEURONS = 10, 3
recording = nir.TimeGriddedData(np.ones((1, STEPS, NEURONS), bool), dt=1.0)
back = recording.to_event(n_events=STEPS).to_time_gridded(1.0).data[0]
print(f"{NEURONS} neurons with {STEPS} spikes each, a limit of {STEPS} for each neuron")
print(f"  expected spikes of each: {[STEPS] * NEURONS}, seen: {back.sum(0).tolist()}")
print(f"  expected last step with a spike: {STEPS - 1}, seen: {int(np.flatnonzero(back.any(1)).max())}")
enough = recording.to_event(n_events=STEPS * NEURONS).to_time_gridded(1.0).data[0]
print(f"  with a limit of {STEPS * NEURONS}: {enough.sum(0).tolist()}")

if not enough.all():
    sys.exit("changed: a limit for all neurons together is no longer enough")
if back.sum() != STEPS:
    sys.exit("changed: the limit is no longer that of all neurons together")
print("as stated")
PY
