#!/usr/bin/env bash
# Version: expelliarmus 1.1.12, beside faery 0.7.1.
#
# Behaviour: In Prophesee's EVT3 a time has 24 bits: a TIME_HIGH word with the upper 12, whenever they change, and
# TIME_LOW words with the lower 12. When the lower bits pass 4,095 and begin again at 0, the next TIME_HIGH word has
# the carry already. expelliarmus adds 4,096 for the fall as well, and keeps what it has added: every fall of the
# lower bits moves all later events by another 4,096 us.
#
# Seen: 1,000 events, one every 997 us over almost a second. faery returns the times that were written. From
# expelliarmus the last event is late by 995,328 us, after 243 falls: nearly twice its time.
#
# Why it matters: order and duration look plausible, no error is raised, and EVT2 files and DAT files of the same
# recording are right. Bins of a given duration hold half of the events that they should, and two recordings of one
# scene, in EVT2 and in EVT3, have different frames.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 expelliarmus==1.1.12 faery==0.7.1 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import faery
import numpy as np
from expelliarmus import Wizard

print("expelliarmus", version("expelliarmus"), "faery", version("faery"), "numpy", version("numpy"))

TIME_HIGH, TIME_LOW, ADDR_Y, ADDR_X = 8 << 12, 6 << 12, 0, 2 << 12
written = np.arange(10, 997_010, 997)
words, high = [], None
for t in written.tolist():
    if t >> 12 != high:
        high = t >> 12
        words.append(TIME_HIGH | high)
    words += [TIME_LOW | t & 0xFFF, ADDR_Y | 2, ADDR_X | 1 << 11 | 1]  # y = 2, polarity 1, x = 1
header = b"% evt 3.0\n% format EVT3;height=720;width=1280\n% geometry 1280x720\n% end\n"
with open("recording.raw", "wb") as file:
    file.write(header + np.array(words, "<u2").tobytes())

right = faery.events_stream_from_file("recording.raw").to_array()["t"].astype("int64")
times = Wizard(encoding="evt3").read("recording.raw")["t"]
falls = np.concatenate([[0], np.cumsum(np.diff(written & 0xFFF) < 0)])
print(f"written: {len(written)} events, the last at {written[-1]} us, after {falls[-1]} falls of the lower bits")
print(f"faery: the last at {right[-1]} us; expelliarmus: the last at {times[-1]} us, {times[-1] - written[-1]} late")

if not np.array_equal(right, written):
    sys.exit("changed: faery no longer returns the times that were written")
if not np.array_equal(times - written, 4096 * falls):
    sys.exit("changed: expelliarmus no longer adds 4,096 us at every fall of the lower bits")
print("as stated")
PY
