#!/usr/bin/env bash
# Version: faery 0.7.1, numpy 2.4.6.
#
# Behaviour: `event_slice(start, end)` keeps the events from number `start` to `end`, "a specific number of events". On
# a stream that went through `regularize` it never counts events: it compares the number of the packet with `start`, and
# the number of the packet plus the events in this one packet with `end`. A packet is kept whole or not at all.
#
# Seen: 1,000 events in 10 packets of 100. The first 150 events should be 150: in the recording they are, behind
# `regularize` they are all 1,000, and so for any `end` from 110 on. Where a packet is left out, for `end` up to 109 or
# `start` above 0, its place holds an array without an axis, and reading the stream ends with a TypeError about `len`.
#
# Why it matters: the slice is the way to take a short piece of a long recording, or the same number of events from
# each. Which of the two orders of the calls was written decides whether the piece is the whole recording.
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
recording = faery.events_stream_from_array(events, dimensions=(64, 64))
regular = recording.regularize(10.0)
print("packets after `regularize`:", [len(packet) for packet in regular])

def count(stream):
    try:
        return len(stream.to_array())
    except TypeError as error:
        return str(error)

seen = {}
for start, end in ((0, 110), (0, 150), (0, 500), (0, 109), (500, 650)):
    of_recording, seen[start, end] = count(recording.event_slice(start, end)), count(regular.event_slice(start, end))
    print(f"event_slice({start}, {end}): expected {end - start} events, seen {of_recording} before and "
          f"{seen[start, end]} after `regularize`")
    if of_recording != end - start:
        sys.exit("changed: slices of the recording itself are no longer right")

if any(seen[0, end] != 1000 for end in (110, 150, 500)):
    sys.exit("changed: slices of a regular stream are no longer the whole recording")
if "unsized" not in str(seen[0, 109]) or "unsized" not in str(seen[500, 650]):
    sys.exit("changed: slices that leave a packet out no longer fail")
print("as stated")
PY
