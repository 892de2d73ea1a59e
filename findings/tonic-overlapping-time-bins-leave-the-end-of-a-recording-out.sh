#!/usr/bin/env bash
# Version: tonic 1.7.0.
#
# Behaviour: a fixed number of time bins (ToFrame(n_time_bins=...), SliceByTimeBins) with an
# overlap o is documented to enlarge each bin by the part o, their number staying the same.
# The bins are enlarged, and then the distance between them is taken as (1 - o) of the enlarged
# bin, so 1 - o * o of a plain one. With n bins the last ends at
# ((n - 1) (1 - o * o) + 1 + o) / n of the recording; what comes later is in no bin.
# SliceByEventBins does the same with counts of events.
#
# Seen: ten bins, events spread evenly over one second. Overlap 0, 0.1, 0.25, 0.5, 0.9:
# the last 0, 0, 3, 17 and 63 hundredths of the second are in no frame.
#
# Why it matters: overlap is there to lose nothing at the borders of bins. With half a bin of
# it, the last sixth of each gesture or word is never seen in training or testing.
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
from tonic.slicers import SliceByEventBins
from tonic.transforms import ToFrame

print("tonic", version("tonic"), "numpy", version("numpy"))

# one event every 10 us for one second; the column is the hundredth of a second that it falls into
N, BINS, COLUMNS = 100_000, 10, 100
events = np.zeros(N, np.dtype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "?")]))
events["t"] = np.arange(N) * 10
events["x"] = events["t"] * COLUMNS // 1_000_000

ok = True
print("expected: with any overlap every hundredth of the second is in some frame")
for overlap in (0, 0.1, 0.25, 0.5, 0.9):
    frames = ToFrame(sensor_size=(COLUMNS, 1, 2), n_time_bins=BINS, overlap=overlap)(events.copy())
    missing = [c for c in range(COLUMNS) if frames[:, :, :, c].sum() == 0]
    end = ((BINS - 1) * (1 - overlap**2) + 1 + overlap) / BINS
    by_count = SliceByEventBins(BINS, overlap).slice(events, None)[0]
    last = by_count[-1]["t"][-1] / 1e6
    print(f"overlap {overlap}: {len(frames)} frames; missing {len(missing)} hundredths"
          f"{f' ({missing[0]} to {missing[-1]})' if missing else ''}; bins of events end at {last:.3f} s")
    whole = min(int(np.ceil(end * COLUMNS - 1e-3)), COLUMNS)
    ok &= len(frames) == BINS and missing == list(range(whole, COLUMNS)) and abs(last - min(end, 1)) < 0.005
if not ok:
    sys.exit("changed: overlapping bins now end elsewhere")
print("as stated")
PY
