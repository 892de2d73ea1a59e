#!/usr/bin/env bash
# Version: spikeinterface 0.105.3, numpy 2.4.6.
#
# Behaviour: `generate_sorting` draws each segment on its own, with `seed + segment_index`. Rates given as a range,
# `firing_rates=(1, 20)`, are drawn anew in each segment, though they are "the firing rate of each unit"; segment 1 of
# one seed is segment 0 of the next. And it draws at most n + 4 int(sqrt(n)) intervals for n expected spikes, n rounded
# up: where one spike is expected, 4 int(0.99...) is 0, and a unit never fires twice.
#
# Seen: five units in three segments of 100 s: the first fires at 12.9, 10.6 and 6.4 Hz, the fourth at 1.2, 18.7 and
# 2.9. Segments 1 and 2 of seed 0 are spike for spike segments 0 and 1 of seed 1. 200 segments of 1 s at 1 Hz have
# 0.64 spikes a second, none of the 4000 trains has two; a Poisson process has 1.00 (0.95 in segments of 10 s).
#
# Why it matters: the generator makes the ground truth on which sorters and quality metrics are judged. Units seem to
# change between segments, repetitions with other seeds are the same data, and short trials have a third of their
# spikes missing.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 spikeinterface==0.105.3 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from spikeinterface.core import generate_sorting

print(*(f"{name} {version(name)}" for name in ("spikeinterface", "numpy")))

def trains(sorting, segment):
    return [sorting.get_unit_spike_train(unit, segment_index=segment) for unit in sorting.unit_ids]

first, second = (generate_sorting(num_units=5, durations=[100.0] * 3, firing_rates=(1, 20), seed=seed)
                 for seed in (0, 1))
rates = np.array([[len(train) / 100 for train in trains(first, segment)] for segment in range(3)])
print("firing_rates=(1, 20), expected: a unit has about the same rate in each segment")
for unit in range(5):
    print(f"  unit {unit}: seen {rates[:, unit].tolist()} Hz")
spread = (rates.max(0) / rates.min(0)).max()

same = [all(np.array_equal(*pair) for pair in zip(trains(first, segment + 1), trains(second, segment)))
        for segment in range(2)]
print(f"segments 1 and 2 of seed 0 equal to segments 0 and 1 of seed 1: expected [False, False], seen {same}")

seen, most = {}, {}
for seconds, segments in ((10.0, 20), (1.0, 200)):
    sorting = generate_sorting(num_units=20, durations=[seconds] * segments, firing_rates=1.0,
                               refractory_period_ms=4.0, seed=0)
    counts = [len(train) for segment in range(segments) for train in trains(sorting, segment)]
    seen[seconds], most[seconds] = sum(counts) / (len(counts) * seconds), max(counts)
    print(f"{segments} segments of {seconds} s at 1 Hz: expected 1.00 Hz, seen {seen[seconds]:.2f}, at most "
          f"{most[seconds]} spikes of a unit in a segment")

if not 0.9 < seen[10.0] < 1.1:
    sys.exit("changed: in segments of 10 s the rate is no longer about right")
if spread < 3:
    sys.exit("changed: units have their rates in all segments")
if same != [True, True]:
    sys.exit("changed: segments of neighbouring seeds differ")
if most[1.0] != 1 or seen[1.0] > 0.7:
    sys.exit("changed: units fire more than once in short segments")
print("as stated")
PY
