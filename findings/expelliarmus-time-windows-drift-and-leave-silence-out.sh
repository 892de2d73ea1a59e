#!/usr/bin/env bash
# Version: expelliarmus 1.1.12, numpy 2.4.6.
#
# Behaviour: `read_time_window` gives a recording in pieces of `time_window` microseconds. A piece begins at the next
# event there is, not where the last one ended, and includes both of its ends. Pieces start later and later, none is
# ever empty, and the number of a piece says nothing about its time.
#
# Seen: an event each millisecond for one second, a second of silence, an event each millisecond for one second more.
# Windows of 10 ms should be 300, of which the middle 100 are empty and the others have 10 events each. There are 182,
# of 11 events each but for the last of a second, 10, none empty. Window 50, which should begin at 500 ms, begins at
# 550 ms; window 100, which should be the first of the silence, begins at 2,100 ms.
#
# Why it matters: frames made of these pieces are set beside labels, other cameras or another reader's frames by their
# number. They drift by an event's distance a window, and a pause of the scene is removed.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 expelliarmus==1.1.12 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from expelliarmus import Wizard

print("expelliarmus", version("expelliarmus"), "numpy", version("numpy"))
WINDOW, DURATION = 10_000, 3_000_000
times = np.concatenate([np.arange(0, 1_000_000, 1_000), np.arange(2_000_000, DURATION, 1_000)])
events = np.zeros(len(times), dtype=[("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "u1")])
events["t"] = times
Wizard(encoding="evt2").save(fpath="recording.raw", arr=events)
if not np.array_equal(Wizard(encoding="evt2").read("recording.raw")["t"], times):
    sys.exit("changed: the recording as a whole is no longer read right")

expected = np.bincount(times // WINDOW, minlength=DURATION // WINDOW)
wizard = Wizard(encoding="evt2", fpath="recording.raw", time_window=WINDOW)
pieces = [(int(piece["t"][0]), len(piece)) for piece in wizard.read_time_window()]
starts, counts = (np.array(column) for column in zip(*pieces))
for name, these in (("expected", expected), ("seen", counts)):
    print(f"windows of {WINDOW} us, {name}: {len(these)}, {int((these == 0).sum())} empty, "
          f"at most {these.max()} events, {these.sum()} in all")
for index in (50, 100):
    print(f"  window {index} begins at {index * WINDOW} us, in expelliarmus at {starts[index]} us")

if counts.sum() != len(times):
    sys.exit("changed: events are lost or repeated")
if len(counts) != 182 or (counts == 0).any() or starts[50] != 550_000 or starts[100] < 2_000_000:
    sys.exit("changed: windows no longer begin at the next event")
print("as stated")
PY
