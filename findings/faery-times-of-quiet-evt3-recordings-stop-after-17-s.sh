#!/usr/bin/env bash
# Version: faery 0.7.1, beside evutils 0.3.18 and evlib 0.13.2.
#
# Behaviour: In Prophesee's EVT3 a time has 24 bits, so that it begins again at 0 every 16.8 s. A reader has to count
# how often. faery misses a new beginning unless the event before it fell into the last 4,096 us. It does not let times
# go back either: from there on they stand still, but for some thousandths of a second. Its own files are no exception.
#
# Seen: events over 60 s, written by faery to EVT3. With one each 3 ms faery returns the times that were written. With
# one each 20 ms the last 72 % of them, written from 16.8 to 60 s, are all read as 16.76 or 16.77 s. evutils and evlib
# return the times that were written from the same files. In EVT2, whose times have 34 bits, faery is right as well.
#
# Why it matters: recordings of still scenes, of a small region or after a noise filter are as quiet as this. All that
# comes later is one flash of activity, without an error, and only where 4 ms happened to be silent.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 faery==0.7.1 evutils==0.3.18 evlib==0.13.2 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import evlib
import faery
import numpy as np
from evutils.io import EventReader

print(*(f"{name} {version(name)}" for name in ("faery", "evutils", "evlib", "numpy")))

def by_faery(path):
    return faery.events_stream_from_file(path).to_array()["t"].astype(int)

def by_evutils(path):
    with EventReader(path) as reader:
        return np.asarray(reader.read_all()["t"]).astype(int)

def by_evlib(path):
    return evlib.load_events(path).collect()["t"].dt.total_microseconds().to_numpy()

seen = {}
for interval in (3, 20):
    written = np.arange(100, 60_000_000, 1000 * interval)
    events = np.zeros(len(written), faery.EVENTS_DTYPE)
    events["t"], events["x"], events["y"] = written, np.arange(len(written)) % 640, 7
    recording = faery.events_stream_from_array(events, dimensions=(640, 480))
    for name in ("evt3", "evt2"):
        recording.to_file(f"{name}.raw", version=name, zero_t0=False)
    for name, read, path in (("faery", by_faery, "evt3.raw"), ("evutils", by_evutils, "evt3.raw"),
                             ("evlib", by_evlib, "evt3.raw"), ("faery, EVT2", by_faery, "evt2.raw")):
        times = read(path)
        seen[interval, name] = (np.mean(times != written) if len(times) == len(written) else None, times)
        print(f"an event each {interval} ms, read by {name}: expected 0 % wrong and the latest at {written.max()} us, "
              f"seen {100 * seen[interval, name][0]:.0f} % wrong and the latest at {times.max()} us")

if any(wrong for key, (wrong, _) in seen.items() if key != (20, "faery")):
    sys.exit("changed: busy recordings, EVT2 or the other readers are no longer right")
wrong, times = seen[20, "faery"]
later = times[written > 1 << 24]
print(f"times after 16.8 s, as read by faery: from {later.min()} to {later.max()} us")
if not 0.7 < wrong < 0.75 or later.min() < 16_760_000 or later.max() >= 1 << 24:
    sys.exit("changed: times of a quiet recording no longer stand still after 16.8 s")
print("as stated")
PY
