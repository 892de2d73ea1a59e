#!/usr/bin/env bash
# Version: spikeinterface 0.105.3, numpy 2.4.6.
#
# Behaviour: a sorting knows when its recording began, by `shift_times` or by `t_starts` of `generate_sorting`, and
# `get_unit_spike_train_in_seconds` adds it. Few functions pass it on: after `select_units`, `rename_units`,
# `remove_empty_units`, `append_sortings`, `aggregate_units`, `clone`, or `save` to a folder, times begin at 0.
# `frame_slice` and `save` to plain memory keep it; recordings keep it everywhere.
#
# Seen: spikes of a recording from 100 s on, at 100.0 and 100.5 s. Seven of nine operations that change no time give
# 0.0 and 0.5 s, without a warning. The same recording still begins at 100 s after channels are selected, renamed,
# cloned, appended or saved.
#
# Why it matters: spikes are compared with stimuli by these times. Whether they are right depends on whether a unit was
# thrown out on the way, and a sorting that is saved and loaded is another one.
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
from spikeinterface.core import (NumpyRecording, NumpySorting, aggregate_units, append_recordings, append_sortings,
                                 load)

print(*(f"{name} {version(name)}" for name in ("spikeinterface", "numpy")))
RATE = 30000.0

sorting = NumpySorting.from_unit_dict([{0: np.array([0, 15000]), 1: np.array([100, 30000])}], RATE)
sorting.shift_times(100.0)
recording = NumpyRecording([np.zeros((60000, 2), "int16")], RATE)
recording.shift_times(100.0)
sorting.save(format="numpy_folder", folder="sorting")
recording.save(format="binary", folder="recording", progress_bar=False)

units = {"as it is": sorting, "frame_slice": sorting.frame_slice(0, 60000),
         "save to plain memory": sorting.save(format="memory", sharedmem=False),
         "select_units": sorting.select_units([0, 1]), "rename_units": sorting.rename_units([5, 6]),
         "remove_empty_units": sorting.remove_empty_units(), "append_sortings": append_sortings([sorting]),
         "aggregate_units": aggregate_units([sorting]), "clone": sorting.clone(),
         "save and load": load("sorting")}
channels = {"as it is": recording, "frame_slice": recording.frame_slice(0, 60000),
            "select_channels": recording.select_channels([0]), "rename_channels": recording.rename_channels([5, 6]),
            "append_recordings": append_recordings([recording]), "clone": recording.clone(),
            "save and load": load("recording")}

begins = {}
for name, other in channels.items():
    begins[name] = float(other.get_times(segment_index=0)[0])
    print(f"recording, {name}: expected a begin at 100.0 s, seen {begins[name]}")
times = {}
for name, other in units.items():
    times[name] = other.get_unit_spike_train_in_seconds(other.unit_ids[0], segment_index=0).tolist()
    print(f"sorting, {name}: expected spikes at [100.0, 100.5] s, seen {times[name]}")

if set(begins.values()) != {100.0}:
    sys.exit("changed: recordings no longer keep their begin")
if any(times[name] != [100.0, 100.5] for name in list(units)[:3]):
    sys.exit("changed: these operations no longer keep the begin of a sorting")
if any(times[name] != [0.0, 0.5] for name in list(units)[3:]):
    sys.exit("changed: some of these operations keep the begin of a sorting")
print("as stated")
PY
