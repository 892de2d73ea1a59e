#!/usr/bin/env bash
# Version: evutils 0.3.18, numpy 2.4.6.
#
# Behaviour: `EventWriter` of a CSV or TXT file passes the columns of the events to its C code as if their values lay
# side by side in memory. In a slice with a step, which EventArray gives as a view, they do not: the file has the right
# number of events, but they are the first ones of the whole array. RAW, DAT and NPZ files are right.
#
# Seen: ten events at 0, 1, ..., 9 ms. Of `events[::2]` the files should have those at 0, 2, 4, 6 and 8 ms: RAW, DAT and
# NPZ do, CSV and TXT have those at 0 to 4 ms. The same events chosen by a mask, which copies them, are right in all.
#
# Why it matters: every second event, or every tenth, is the usual way to thin a recording out. Here it becomes the
# beginning of the recording, at its full rate, and the number of events does not show it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 numba==0.68.1 evutils==0.3.18 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from evutils.io import EventReader, EventWriter
from evutils.types import EventArray

print("evutils", version("evutils"), "numpy", version("numpy"))

def round_trip(events, suffix):
    with EventWriter(f"events.{suffix}", width=640, height=480) as writer:
        writer.write(events)
    with EventReader(f"events.{suffix}") as reader:
        read = reader.read_all()
        return [[int(value) for value in read[column]] for column in ("t", "x", "y")]

whole = EventArray(t=1000 * np.arange(10), x=np.arange(10, dtype=np.uint16), y=np.full(10, 200, np.uint16),
                   p=np.ones(10, np.int8))
cases = {
    "all": (whole, list(range(10))),
    "every second": (whole[::2], list(range(0, 10, 2))),
    "every second by a mask": (whole[np.arange(10) % 2 == 0], list(range(0, 10, 2))),
}
wrong = set()
for name, (events, numbers) in cases.items():
    expected = [[1000 * number for number in numbers], numbers, [200] * len(numbers)]
    for suffix in ("raw", "dat", "npz", "csv", "txt"):
        seen = round_trip(events, suffix)
        if seen != expected:
            wrong.add((name, suffix))
            print(f"{name}, {suffix}: expected x {numbers}, seen {seen[1]}")
        if (name, suffix) == ("every second", "csv") and seen[:2] != [[0, 1000, 2000, 3000, 4000], [0, 1, 2, 3, 4]]:
            sys.exit("changed: the file of every second event no longer has the first five")

if wrong != {("every second", "csv"), ("every second", "txt")}:
    sys.exit(f"changed: the files that are wrong are {sorted(wrong)}")
print("all other files: as expected")
print("as stated")
PY
