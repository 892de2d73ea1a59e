#!/usr/bin/env bash
# Version: faery 0.7.1, numpy 2.4.6.
#
# Behaviour: `regularize(frequency_hz, start=)` cuts a recording into packets of equal duration, `start` being the
# "starting time of the first packet". What lies before it is passed over by whole packets of the input only. Where
# `start` falls into one, all of its earlier events go into the first packet of the output.
#
# Seen: an event each millisecond for a second, packets of 10 ms from 500 ms on. Each should have 10 events, 500 in all.
# From an array the first has 510, back to 0 ms, 1,000 in all. From the same recording in a file, which is read in one
# piece too, it is the same; behind `regularize(25.0, start=0)` the first has 30, for `start` falls into its input.
#
# Why it matters: the packets are the frames of a video or the time steps of a network. The first one is overexposed, or
# a burst at the beginning of each trial that no stimulus made, and its size depends on how the input was packed.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 faery==0.7.1 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import faery
import numpy as np

print("faery", version("faery"), "numpy", version("numpy"))

events = np.zeros(1000, faery.EVENTS_DTYPE)
events["t"] = 1000 * np.arange(1000)
from_array = faery.events_stream_from_array(events, dimensions=(64, 64))
from_array.to_file("recording.aedat4")
inputs = {
    "an array": from_array,
    "a file": faery.events_stream_from_file("recording.aedat4"),
    "packets of 40 ms": from_array.regularize(25.0, start="00:00:00"),
}
seen = {}
for name, stream in inputs.items():
    packets = list(stream.regularize(100.0, start="00:00:00.500000"))
    sizes = [len(packet) for packet in packets]
    seen[name] = sizes[0]
    print(f"from {name}: expected 50 packets of 10 events from 500 ms on, seen {len(sizes)}, the first of {sizes[0]} "
          f"from {packets[0]['t'][0] // 1000} ms on, the others of {sorted(set(sizes[1:]))}")
    if len(sizes) != 50 or set(sizes[1:]) != {10}:
        sys.exit("changed: the packets behind the first one are no longer right")

if seen != {"an array": 510, "a file": 510, "packets of 40 ms": 30}:
    sys.exit("changed: the first packet no longer has the events before its start")
print("as stated")
PY
