#!/usr/bin/env bash
# Version: tonic 1.7.0.
#
# Behaviour: RefractoryPeriod ignores events of a pixel during its refractory period. The period begins anew
# at every event, at those that are ignored as well, so that a pixel that fires faster than the period is
# ignored for good, where a neuron would fire once a period. Memory starts at minus the period, and the
# comparison is strict: an event at time 0 is ignored, which begins the first period.
#
# Seen: a pixel with an event each 600 us for 0.6 s from time 0. A period of 1,000 us should leave every second
# event, 500 of 1,000. None is left. A period of 500 us leaves all but the first.
#
# Why it matters: what should limit the rate of hot or fast pixels removes them, and with them the fastest
# moving edges of a recording.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 tonic==1.7.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from tonic.transforms import RefractoryPeriod

print("tonic", version("tonic"), "numpy", version("numpy"))

COUNT = 1000
events = np.zeros(COUNT, np.dtype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "?")]))
events["t"] = 600 * np.arange(COUNT)

seen = {}
for period, expected in ((500, COUNT), (1000, COUNT // 2)):
    seen[period] = len(RefractoryPeriod(delta=period)(events))
    print(f"refractory period of {period} us: expected {expected} of {COUNT} events, seen {seen[period]}")

if seen != {500: COUNT - 1, 1000: 0}:
    sys.exit("changed: a refractory period no longer begins anew at events that it ignores, or at time 0")
print("as stated")
PY
