#!/usr/bin/env bash
# Version: pynapple 0.11.4, numpy 2.4.6.
#
# Behaviour: `compute_perievent(data, events, window)` takes a window as a pair, "which can be unequal on each side,
# e.g. (-2, 1)". Its signs are taken away, the first number then counts as the time before the event and the second as
# the time after. A window that lies on one side of the event is silently one that reaches over it.
#
# Seen: a cell with 10 spikes a second, and an event that silences it for half a second. In the window from 0.1 to 0.4 s
# after the event are no spikes: seen is one, of the time from 0.1 s before to 0.4 s after. In the baseline from 1 to
# 0.5 s before the event are 5 spikes: seen are 10, of the time from 1 s before to 0.5 s after. (-1, 0.5) gives the
# same.
#
# Why it matters: responses are counted in windows after a stimulus and baselines in windows before it. Here both have
# the stimulus in the middle, in `compute_event_triggered_average` alike, and counts divided by the window asked are too
# high.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 numba==0.68.1 xarray==2026.9.0 pynapple==0.11.4 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
import pynapple as nap

print("pynapple", version("pynapple"), "numpy", version("numpy"))

times = 0.05 + 0.1 * np.arange(200)
times = times[(times < 10) | (times > 10.5)]  # silent for half a second after the event
cell, event = nap.Ts(t=times), nap.Ts(t=[10.0])
seen = {}
for window in ((0.1, 0.4), (-1, -0.5), (-1, 0.5)):
    expected = int(((times >= 10 + window[0]) & (times <= 10 + window[1])).sum())
    aligned = nap.compute_perievent(cell, event, window=window)
    reach = aligned.time_support.values[0].tolist()
    seen[window] = (len(aligned[0]), reach)
    print(f"window {window}: expected {expected} spikes, seen {seen[window][0]}, from {reach[0]} to {reach[1]} s")

signal = nap.Tsd(t=0.1 * np.arange(201), d=np.arange(201.0))
average = nap.compute_event_triggered_average(signal, event, binsize=0.1, window=(0.1, 0.4))
print(f"event-triggered average in (0.1, 0.4): expected 0.1 to 0.4 s, seen {average.t[0]:.1f} to {average.t[-1]:.1f} s")

if seen[-1, 0.5] != (10, [-1.0, 0.5]):
    sys.exit("changed: a window around the event is no longer right")
if seen[0.1, 0.4] != (1, [-0.1, 0.4]) or seen[-1, -0.5] != (10, [-1.0, 0.5]):
    sys.exit("changed: a window beside the event no longer reaches over it")
if not np.isclose(average.t[0], -0.1):
    sys.exit("changed: an average after the event no longer begins before it")
print("as stated")
PY
