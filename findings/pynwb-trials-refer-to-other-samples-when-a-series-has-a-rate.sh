#!/usr/bin/env bash
# Version: pynwb 4.2.0, numpy 2.4.6.
#
# Behaviour: `add_trial(start_time, stop_time, timeseries=[...])` refers to the samples of the series that the trial
# covers. For a series with timestamps these are the samples from start on and before stop. For one with a rate, (time -
# starting time) * rate is cut off: 0.29 * 100 is 28.999..., sample 28. A trial that begins before the series has a
# negative number, which in the table means that there is no series.
#
# Seen: 100 samples a second. For 290 trials of 50 ms that begin at a sample each, 18 begin with the sample before. From
# 0.285 to 0.345 s the samples 29 to 34 are in the trial, seen are 28 to 33. The series is on from 10 s, the trial from
# 9.9 to 10.1 s: expected are samples 0 to 9, the table has (None, None, None). With timestamps all is right.
#
# Why it matters: raw recordings have rates, and slower signals timestamps: two series of one trial are a sample apart,
# and a baseline has a sample of the stimulus. The first trial, that began before the amplifier was on, loses its data.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 pandas==3.1.1 pynwb==4.2.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from datetime import datetime, timezone
from importlib.metadata import version

import numpy as np
from pynwb import NWBFile, TimeSeries

print("pynwb", version("pynwb"), "numpy", version("numpy"))
RATE, SAMPLES = 100, 300

def samples(begin, trials):
    """Return for each trial the samples that it refers to, of a series with a rate and of one with timestamps."""
    file = NWBFile("d", "i", datetime(2026, 1, 1, tzinfo=timezone.utc))
    numbers = np.arange(SAMPLES)
    series = [TimeSeries(name="rate", data=numbers, unit="n", rate=float(RATE), starting_time=float(begin)),
              TimeSeries(name="timestamps", data=numbers, unit="n", timestamps=begin + numbers / RATE)]
    for one in series:
        file.add_acquisition(one)
    for start, stop in trials:
        file.add_trial(start_time=start, stop_time=stop, timeseries=series)
    return [[None if part.timeseries is None else part.data.tolist() for part in file.trials["timeseries"][row]]
            for row in range(len(trials))]

firsts = np.arange(290)
aligned = samples(0, [(first / RATE, (first + 5) / RATE) for first in firsts])
early = [sum(row[kind][0] != first for row, first in zip(aligned, firsts)) for kind in (0, 1)]
print(f"trials that begin with another sample than theirs, of 290: expected 0, seen {early[0]} with a rate, {early[1]} "
      "with timestamps")

seen = {}
for begin, start, stop in ((0, 0.285, 0.345), (10, 9.9, 10.1)):
    times = begin + np.arange(SAMPLES) / RATE
    expected = np.flatnonzero((times >= start) & (times < stop)).tolist()
    with_rate, with_timestamps = samples(begin, [(start, stop)])[0]
    seen[start] = (with_rate, with_timestamps == expected)
    print(f"series from {begin} s on, trial from {start} to {stop} s: expected {expected}, seen {with_rate} with a "
          f"rate, {with_timestamps} with timestamps")

if early[1] or not all(right for _, right in seen.values()):
    sys.exit("changed: with timestamps trials no longer refer to their samples")
if not early[0] or seen[0.285][0][0] != 28:
    sys.exit("changed: with a rate trials begin with their first sample")
if seen[9.9][0] is not None:
    sys.exit("changed: a trial that begins before the series refers to its samples")
print("as stated")
PY
