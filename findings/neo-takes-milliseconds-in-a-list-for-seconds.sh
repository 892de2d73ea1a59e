#!/usr/bin/env bash
# Version: neo 0.14.6, quantities 0.16.4, numpy 2.4.6.
#
# Behaviour: a list of times, each with its unit, loses the units: `pq.Quantity([1 * pq.s, 500 * pq.ms], "s")` is 1 and
# 500 s. `neo.SpikeTrain`, `Event` and `Epoch` with `units="s"` do the same. Of an array in milliseconds the same
# constructors make seconds; `SpikeTrain` refuses it.
#
# Seen: 1 s and 500 ms should be 1 and 0.5 s; seen are 1 and 500 s, in all four classes, without an error or a warning.
# An array of 1000 and 500 ms is 1 and 0.5 s in three of them, and an error in `SpikeTrain`.
#
# Why it matters: times are collected in a list where events are read one by one, and latencies are in milliseconds
# where onsets are in seconds. Without a second unit in the list the result has the wrong one all the same: [500 ms] is
# 500 s.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 quantities==0.16.4 neo==0.14.6 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import neo
import numpy as np
import quantities as pq

print(*(f"{name} {version(name)}" for name in ("neo", "quantities", "numpy")))

def classes(times, count):
    """Return seconds as each class has them, None where it raises."""
    labels = ["a"] * count
    makers = {"Quantity": lambda: pq.Quantity(times, "s"),
              "SpikeTrain": lambda: neo.SpikeTrain(times, units="s", t_stop=1000),
              "Event": lambda: neo.Event(times, units="s", labels=labels),
              "Epoch": lambda: neo.Epoch(times, durations=np.ones(count) * pq.s, units="s", labels=labels)}
    made = {}
    for name, make in makers.items():
        try:
            made[name] = make().rescale("s").magnitude.tolist()
        except ValueError:
            made[name] = None
    return made

expected = [1.0, 0.5]
array = classes(np.array([1000.0, 500.0]) * pq.ms, 2)
mixed = classes([1 * pq.s, 500 * pq.ms], 2)
alone = classes([500 * pq.ms], 1)
for name in mixed:
    print(f"{name}: expected {expected} s, seen of an array in ms {array[name] or 'an error'}, of a list of 1 s and "
          f"500 ms {mixed[name]}; of a list of 500 ms expected [0.5], seen {alone[name]}")
single = float(pq.Quantity(500 * pq.ms, "s").magnitude)
print(f"Quantity of 500 ms, without a list: expected 0.5 s, seen {single}")

if single != 0.5 or any(seen not in (expected, None) for seen in array.values()):
    sys.exit("changed: single times and arrays are no longer converted")
if any(seen != [1, 500] for seen in mixed.values()) or any(seen != [500] for seen in alone.values()):
    sys.exit("changed: lists of times no longer lose their units")
print("as stated")
PY
