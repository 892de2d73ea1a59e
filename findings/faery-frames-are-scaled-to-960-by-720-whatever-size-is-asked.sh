#!/usr/bin/env bash
# Version: faery 0.7.1, numpy 2.4.6.
#
# Behaviour: `scale(minimum_dimensions)` of a stream of frames enlarges them by the least whole factor that reaches the
# size. Its `dimensions()` computes the factor from the size that was given, its frames from 960 x 720, the default. A
# factor as a number, and `scale` of a kinectograph, which has the same arguments, are right.
#
# Seen: frames of 160 x 120. For (320, 240) the stream says 320 x 240, for (1920, 1440) it says 1920 x 1440: both times,
# as by default, each frame has 960 x 720.
#
# Why it matters: the stream's word and its frames disagree, so that arrays or videos prepared by `dimensions()` do not
# fit, and images made for a given size, a network's input among them, have another one without an error.
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

events = np.zeros(100, faery.EVENTS_DTYPE)
events["t"], events["x"], events["y"] = 1000 * np.arange(100), np.arange(100), np.arange(100)
recording = faery.events_stream_from_array(events, dimensions=(160, 120))
frames = recording.regularize(50.0).render("window", "00:00:00.020000", faery.colormaps.devon)
kinectograph = recording.to_kinectograph()

seen = {}
for size in ((960, 720), (320, 240), (1920, 1440)):
    stream = frames.scale(size)
    shapes = {frame.pixels.shape[1::-1] for frame in stream}
    seen[size] = shapes.pop() if len(shapes) == 1 else shapes
    print(f"scale({size}): expected {size}, `dimensions()` says {stream.dimensions()}, frames have {seen[size]}; "
          f"a kinectograph {kinectograph.scale(size).dimensions()}")
    if stream.dimensions() != size or kinectograph.scale(size).dimensions() != size:
        sys.exit("changed: the dimensions of the stream, or of the kinectograph, are no longer those asked for")
by_factor = next(iter(frames.scale(2.0))).pixels.shape[1::-1]
print(f"scale(2.0): expected (320, 240), frames have {by_factor}")

if by_factor != (320, 240):
    sys.exit("changed: frames scaled by a number are no longer right")
if set(seen.values()) != {(960, 720)}:
    sys.exit("changed: frames are no longer scaled to 960 x 720 whatever size is asked")
print("as stated")
PY
