#!/usr/bin/env bash
# Version: faery 0.7.1, numpy 2.4.6.
#
# Behaviour: `transpose` of an event stream names its actions as they look: "rotate_90_counterclockwise rotates to the
# left by 90°". Its formulas are for a y axis that points up, while faery draws y = 0 as the upper row, as cameras and
# frames have it. The two rotations by a quarter are exchanged, and so are the two mirrorings at diagonals.
#
# Seen: an L of 6 pixels, drawn by faery itself before and after. `rotate_90_counterclockwise` gives what a quarter to
# the right gives, `rotate_270_counterclockwise` a quarter to the left; `flip_up_diagonal` is the transpose and
# `flip_down_diagonal` the transverse, each the other one in the documentation. The flips and the half turn are right.
#
# Why it matters: a recording of a camera that was mounted on its side stands on its head after the turn that should set
# it upright, which differs from the right one by a half turn, and labels or frames turned beside it no longer match.
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

picture = np.zeros((3, 5), bool)
picture[:, 1] = picture[2, 1:5] = True  # an L: a column, and to the right of it a row at the bottom
y, x = np.nonzero(picture)
events = np.zeros(len(x), faery.EVENTS_DTYPE)
events["t"], events["x"], events["y"], events["on"] = 1000 * np.arange(len(x)), x, y, True
recording = faery.events_stream_from_array(events, dimensions=(5, 3))

def drawn(stream):
    frames = list(stream.regularize(1.0).render("window", "00:00:10.000000", faery.colormaps.devon))
    pixels = frames[-1].pixels.astype(int)
    return (pixels != np.median(pixels.reshape(-1, 4), axis=0).astype(int)).any(axis=2)  # unlike the background

def text(image):
    return " / ".join("".join("#" if pixel else "." for pixel in row) for row in image)

documented = {
    "flip_left_right": picture[:, ::-1],
    "flip_bottom_top": picture[::-1],
    "rotate_180": picture[::-1, ::-1],
    "rotate_90_counterclockwise": np.rot90(picture),
    "rotate_270_counterclockwise": np.rot90(picture, -1),
    "flip_up_diagonal": picture[::-1, ::-1].T,  # transverse
    "flip_down_diagonal": picture.T,  # transpose
}
print("drawn by faery:", text(drawn(recording)))
if not np.array_equal(drawn(recording), picture):
    sys.exit("changed: faery no longer draws y = 0 as the upper row")
wrong = []
for action, expected in documented.items():
    seen = drawn(recording.transpose(action))
    print(f"{action}: expected {text(expected)}, seen {text(seen)}")
    if not np.array_equal(seen, expected):
        wrong.append(action)
        if not np.array_equal(seen, expected[::-1, ::-1]):
            sys.exit(f"changed: {action} is no longer off by a half turn")
if len(wrong) != 4:
    sys.exit(f"changed: the actions that are not as documented are {wrong}")
print("as stated")
PY
