#!/usr/bin/env bash
# Version: spikeinterface 0.105.3, numpy 2.4.6.
#
# Behaviour: the bins of `compute_presence_ratios` and `compute_firing_ranges` begin at the begin of each segment and
# period, and all count as whole bins. What is left at the end of a segment is a shorter bin; the gap between two
# periods is a bin as well; and a period ends at the last multiple of the bin since the recording began, wherever it
# begins itself. The documentation says that trains of segments "are concatenated to mimic a continuous segment".
#
# Seen: a unit that fires each 100 ms, throughout. Its presence ratio should be 1 always: in the period from 30 to 90 s
# it is 0, in the two from 0 to 60 and from 120 to 180 s it is 0.67. Its firing range should be 0: in five segments of
# 8 s it is 4 Hz, its presence ratio at 90 % of the mean rate 0.56.
#
# Why it matters: units are chosen by these values, a presence ratio above 0.9 is a common limit. Periods are given to
# leave out where a unit cannot be judged, and here what was left out counts as silence.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 pandas==3.1.1 numba==0.68.1 scipy==1.17.1 scikit-learn==1.9.1 \
    spikeinterface==0.105.3 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from probeinterface import generate_linear_probe
from spikeinterface.core import NumpyRecording, NumpySorting, create_sorting_analyzer
from spikeinterface.core.base import unit_period_dtype
from spikeinterface.metrics.quality.misc_metrics import compute_firing_ranges, compute_presence_ratios

print(*(f"{name} {version(name)}" for name in ("spikeinterface", "numpy")))
RATE = 1000  # samples a second; a spike each 100 samples

def analyzer(*seconds):
    recording = NumpyRecording([np.zeros((length * RATE, 2), "float32") for length in seconds], RATE)
    probe = generate_linear_probe(2)
    probe.set_device_channel_indices([0, 1])
    recording.set_probe(probe)
    trains = [{0: np.arange(50, length * RATE, 100)} for length in seconds]
    return create_sorting_analyzer(NumpySorting.from_unit_dict(trains, RATE), recording, sparse=False)

def periods(*limits):
    return np.array([(0, begin * RATE, end * RATE, 0) for begin, end in limits], dtype=unit_period_dtype)

long, presence = analyzer(180), {}
for limits in (((0, 180),), ((0, 60),), ((0, 60), (120, 180)), ((30, 90),)):
    presence[limits] = float(compute_presence_ratios(long, periods=periods(*limits))[0])
    print(f"presence ratio in bins of 60 s, periods {list(limits)}: expected 1.0, seen {presence[limits]:.2f}")

ranges, active = {}, {}
for seconds in ((40,), (20, 20), (8,) * 5):
    data = analyzer(*seconds)
    ranges[seconds] = float(compute_firing_ranges(data)[0])
    active[seconds] = float(compute_presence_ratios(data, bin_duration_s=5, mean_fr_ratio_thresh=0.9)[0])
    print(f"bins of 5 s, segments of {list(seconds)} s: expected a firing range of 0.0 Hz and a presence ratio of 1.0, "
          f"seen {ranges[seconds]:.1f} Hz and {active[seconds]:.2f}")

if not all(presence[limits] == 1 for limits in (((0, 180),), ((0, 60),))) or ranges[40,] or ranges[20, 20]:
    sys.exit("changed: where the bins fit, values are no longer right")
if presence[(30, 90),] != 0 or not 0.6 < presence[(0, 60), (120, 180)] < 0.7:
    sys.exit("changed: the presence ratio of a steady unit is 1 in these periods")
if ranges[(8,) * 5] < 3 or active[(8,) * 5] > 0.7:
    sys.exit("changed: short segments no longer change the firing range and the presence ratio")
print("as stated")
PY
