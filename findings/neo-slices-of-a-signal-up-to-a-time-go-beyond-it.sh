#!/usr/bin/env bash
# Version: neo 0.14.6, quantities 0.16.4, numpy 2.4.6.
#
# Behaviour: `AnalogSignal.time_slice(t_start, t_stop)` takes None for an open end. With None for `t_start` it begins at
# the first sample, as it should, but computes the length as if that were at 0 s: the slice is too long by the time at
# which the signal begins. Slices of SpikeTrain, Event, Epoch and IrregularlySampledSignal are right.
#
# Seen: a signal and a spike train from 20 to 120 s. `time_slice(None, 50 s)` should end at 50 s: the spike train does,
# the signal ends at 70 s. With 20 s in place of None it ends at 50 s. `time_slice(None, 110 s)` is an error about times
# that are not "within the analog signal duration". A signal that begins at 0 s is right.
#
# Why it matters: a baseline "until the stimulus" has as much of the response in it as the recording began late, without
# an error, and spikes and signal cut by the same call are from different times.
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

def end(piece):
    return float(piece.t_stop.rescale("s"))

seen = {}
for begin in (0, 20):
    signal = neo.AnalogSignal(np.zeros((1000, 1)), units="mV", t_start=begin * pq.s, sampling_rate=10 * pq.Hz)
    train = neo.SpikeTrain(begin + np.arange(0.5, 100), units="s", t_start=begin, t_stop=begin + 100)
    seen[begin] = end(signal.time_slice(None, 50 * pq.s))
    from_begin = end(signal.time_slice(begin * pq.s, 50 * pq.s))
    spikes = end(train.time_slice(None, 50 * pq.s))
    print(f"from {begin} s on, slice up to 50 s: expected an end at 50 s, seen {seen[begin]:.0f} s for the signal, "
          f"{from_begin:.0f} s when its begin is given, {spikes:.0f} s for the spike train")
    if from_begin != 50 or spikes != 50:
        sys.exit("changed: slices with both times, or of spike trains, are no longer right")
try:
    signal.time_slice(None, 110 * pq.s)
    error = None
except ValueError as raised:
    error = " ".join(str(raised).split())
print(f"from 20 s on, slice up to 110 s: expected 900 samples, seen {error!r}")

if seen[0] != 50:
    sys.exit("changed: a slice of a signal from 0 s on is no longer right")
if seen[20] != 70 or error is None:
    sys.exit("changed: a slice of a signal that begins later no longer goes beyond its end")
print("as stated")
PY
