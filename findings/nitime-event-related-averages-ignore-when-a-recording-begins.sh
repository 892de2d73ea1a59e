#!/usr/bin/env bash
# Version: nitime 0.12.1, numpy 2.4.6.
#
# Behaviour: `EventRelatedAnalyzer(time_series, events)` averages a recording around the times of Events. It takes the
# time of an event divided by the sampling interval as the index of the sample, and leaves out `t0`, the time of the
# first sample. `TimeSeries.at` and `TimeSeries.during` count from `t0`.
#
# Seen: a recording of 400 s with the response 1, 2, 3, 2, 1 to each of three events. Beginning at 0 s the average is
# that response. The same recording and events, both 100 s later, should have the same average: it is 0.33, 0.67, 1,
# 0.67 and 0.33, from a place where only one of the three events has a response. `during` finds the response in both.
#
# Why it matters: pieces of a longer recording keep their time, as those that `during` returns. Their averages are taken
# from other samples: flat, or of another condition. Only an event beyond the last sample is an error.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 scipy==1.17.1 matplotlib==3.11.2 nitime==0.12.1 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from nitime.analysis import EventRelatedAnalyzer
from nitime.timeseries import Epochs, Events, TimeArray, TimeSeries

print("nitime", version("nitime"), "numpy", version("numpy"))

response, samples = np.array([1.0, 2.0, 3.0, 2.0, 1.0]), np.array([50, 120, 200])
data = np.zeros(400)
for sample in (*samples, 300):  # the last response belongs to another event
    data[sample:sample + 5] += response

seen = {}
for begin in (0, 100):
    recording = TimeSeries(data, t0=begin, sampling_interval=1.0, time_unit="s")
    events = Events(TimeArray(samples + float(begin), time_unit="s"))
    average = EventRelatedAnalyzer(recording, events, len_et=5).eta.data
    piece = recording.during(Epochs(t0=begin + 50.0, duration=5.0, time_unit="s")).data
    seen[begin] = average.round(2).tolist()
    print(f"beginning at {begin} s: expected {response.tolist()}, seen {seen[begin]}; `during` the first event "
          f"{piece.tolist()}")
    if not np.array_equal(piece, response):
        sys.exit("changed: `during` no longer finds the response")

if seen[0] != response.tolist():
    sys.exit("changed: the average of a recording from 0 s on is no longer the response")
if seen[100] != [0.33, 0.67, 1.0, 0.67, 0.33]:
    sys.exit("changed: the average of a recording from 100 s on is no longer that of other samples")
print("as stated")
PY
