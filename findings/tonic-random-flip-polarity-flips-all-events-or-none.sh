#!/usr/bin/env bash
# Version: tonic 1.7.0.
#
# Behaviour: RandomFlipPolarity(p) is documented as the probability of flipping individual event polarities,
# from 1 to 0 and from -1 or 0 to 1. One number is drawn for the recording: all events flip, or none. And -1
# counts as True, so that in a recording of -1 and 1 both become 0.
#
# Seen: p=0.3, 200 draws on 1,000 events: no event flipped in about 70 % of the draws, all in about 30 %, never
# another number. With p=1 the polarities -1 and 1 are all 0.
#
# Why it matters: used as noise of single events it adds none, but swaps ON and OFF of whole recordings; and a
# recording with signed polarities loses them.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 tonic==1.7.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from tonic.transforms import RandomFlipPolarity

print("tonic", version("tonic"), "numpy", version("numpy"))

COUNT, DRAWS = 1000, 200
events = np.zeros(COUNT, np.dtype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "i1")]))
events["t"], events["p"] = np.arange(COUNT), np.arange(COUNT) % 2

np.random.seed(0)
flip = RandomFlipPolarity(p=0.3)
flipped = [int((flip(events)["p"] != events["p"]).sum()) for _ in range(DRAWS)]
print(f"expected about {0.3 * COUNT:.0f} of {COUNT} events flipped at each draw, seen {sorted(set(flipped))}, "
      f"all at {flipped.count(COUNT)} of {DRAWS} draws")
signed = events.copy()
signed["p"] = np.where(events["p"], 1, -1)
after = RandomFlipPolarity(p=1.0)(signed)["p"]
print(f"-1 and 1 flipped: expected 1 and -1 (or 0), seen {sorted({int(value) for value in after})}")

if not (set(flipped) == {0, COUNT} and 0.2 * DRAWS < flipped.count(COUNT) < 0.4 * DRAWS):
    sys.exit("changed: events of a recording no longer flip together")
if after.any():
    sys.exit("changed: signed polarities no longer all become 0")
print("as stated")
PY
