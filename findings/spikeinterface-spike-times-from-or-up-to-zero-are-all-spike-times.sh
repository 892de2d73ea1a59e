#!/usr/bin/env bash
# Version: spikeinterface 0.105.3, numpy 2.4.6.
#
# Behaviour: `get_unit_spike_train_in_seconds(unit_id, start_time, end_time)` takes a limit of 0 for none. Once
# `shift_times` has put time 0 into the recording, the limits around it do nothing. With a registered recording the
# limit of 0 holds, but the end belongs to the window: `get_unit_spike_train(start_frame, end_frame)` ends before
# `end_frame`, with `return_times=True` it ends after it.
#
# Seen: spikes at 0, 0.5, 1 and 1.5 s, shifted by -1 s. From 0 on should be two, up to 0 two (one if the end is left
# out): both times seen are all four. From 0.001 s on is one, as it should be. With a recording, frames 0 to 15000 have
# one spike; their times are two, and the spike at 0.5 s is in the next window again.
#
# Why it matters: times are shifted so that the stimulus is at 0. "Before" and "after" are then the same whole
# recording, and counts that are compared are equal. The second part counts spikes at borders of windows twice.
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
from spikeinterface.core import NumpyRecording, NumpySorting

print(*(f"{name} {version(name)}" for name in ("spikeinterface", "numpy")))
RATE = 30000.0
frames = np.array([0, 15000, 30000, 45000])

def sorting():
    return NumpySorting.from_unit_dict([{0: frames}], RATE)

shifted = sorting()
shifted.shift_times(-1.0)
times = frames / RATE - 1
seen = []
for limits in ({"start_time": 0.001}, {"start_time": 0.0}, {"end_time": 0.0}):
    expected = times[(times >= limits.get("start_time", -9)) & (times <= limits.get("end_time", 9))].tolist()
    seen.append(shifted.get_unit_spike_train_in_seconds(0, **limits).tolist())
    print(f"{limits}: expected {expected}, seen {seen[-1]}")

recorded = sorting()
recorded.register_recording(NumpyRecording([np.zeros((60000, 1), "int16")], RATE))
windows = []
for begin, end in ((0, 15000), (15000, 30000), (30000, 45000)):
    in_frames = recorded.get_unit_spike_train(0, start_frame=begin, end_frame=end)
    in_times = recorded.get_unit_spike_train(0, start_frame=begin, end_frame=end, return_times=True)
    without = sorting().get_unit_spike_train(0, start_frame=begin, end_frame=end, return_times=True)
    windows.append((len(in_frames), len(without), len(in_times)))
    print(f"frames {begin} to {end}, expected {(in_frames / RATE).tolist()} s, seen without a recording "
          f"{without.tolist()}, with a recording {in_times.tolist()}")

if seen[0] != [0.5]:
    sys.exit("changed: a limit other than 0 no longer holds")
if seen[1:] != [times.tolist()] * 2:
    sys.exit("changed: a limit of 0 no longer counts as none")
if windows != [(1, 1, 2)] * 3:
    sys.exit("changed: with a recording the end of a window no longer belongs to it")
print("as stated")
PY
