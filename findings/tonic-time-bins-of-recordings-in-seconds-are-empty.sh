#!/usr/bin/env bash
# Versions: tonic 1.7.0, h5py 3.16.0.
#
# Behaviour: the Heidelberg spiking data sets (SHD, SSC) are HDF5 files whose times are in
# seconds. tonic says of its windows that they are in the unit of the events' times, and
# ToFrame(time_window=...) works on seconds. ToFrame(n_time_bins=...) does not: it divides the
# duration by the number of bins with Python's //, which rounds down to whole units also where
# times are floating-point numbers. A recording of 0.9 s in ten bins gets bins of length 0, and
# each frame is empty. Longer ones lose what is left over after whole seconds.
#
# Seen: a file in SHD's layout, 5,000 spikes in 0.9 s: ten frames, no spike in any. The same in
# milliseconds 4,945 spikes, in microseconds 4,996. 5,000 spikes in 12.5 s: 3,975, those of the
# first 10 s.
#
# Why it matters: a loader that reads SHD itself (tonic's own converts to microseconds) trains on
# frames of zeros, of the right shape and type, and finds a network that learns nothing.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 h5py==3.16.0 tonic==1.7.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import h5py, numpy as np
from tonic.transforms import ToFrame

print(*(f"{name} {version(name)}" for name in ("tonic", "h5py", "numpy")), sep=", ")

# two recordings in SHD's layout: times in seconds as float16, units as uint16, one row each
SPIKES, UNITS, BINS = 5000, 700, 10
rng = np.random.default_rng(0)
with h5py.File("shd.h5", "w") as file:
    times = file.create_dataset("spikes/times", (2,), dtype=h5py.vlen_dtype(np.float16))
    units = file.create_dataset("spikes/units", (2,), dtype=h5py.vlen_dtype(np.uint16))
    for row, duration in enumerate((0.9, 12.5)):
        t = np.sort(rng.random(SPIKES)) * duration
        times[row] = t.astype(np.float16)
        units[row] = rng.integers(0, UNITS, SPIKES).astype(np.uint16)
    file["labels"] = np.array([3, 7], np.uint16)

def events(row, unit, dtype):
    with h5py.File("shd.h5") as file:
        seconds, x = file["spikes/times"][row], file["spikes/units"][row]
    e = np.zeros(len(seconds), np.dtype([("x", "i2"), ("t", dtype), ("p", "i1")]))
    e["x"], e["t"], e["p"] = x, seconds.astype(np.float64) * unit, 1
    return e

size = (UNITS, 1, 1)
seen = {}
for row in (0, 1):
    for name, unit, dtype in (("seconds", 1, "f8"), ("milliseconds", 1e3, "f8"), ("microseconds", 1e6, "i8")):
        e = events(row, unit, dtype)
        frames = ToFrame(sensor_size=size, n_time_bins=BINS)(e)
        seen[row, name] = int(frames.sum())
        print(f"recording {row} in {name}: frames {frames.shape}, expected about {SPIKES} spikes in them, seen {seen[row, name]}")
window = ToFrame(sensor_size=size, time_window=0.09)(events(0, 1, "f8"))
print(f"recording 0 in seconds by time_window=0.09: frames {window.shape}, {int(window.sum())} spikes")

late = events(1, 1, "f8")
start = late["t"][0]
if window.sum() < 0.85 * SPIKES:
    sys.exit("changed: windows in seconds no longer work")
if seen[0, "microseconds"] < 0.99 * SPIKES or seen[1, "microseconds"] < 0.99 * SPIKES:
    sys.exit("changed: microseconds no longer work")
if seen[0, "seconds"] != 0 or seen[1, "seconds"] != int((late["t"] < start + 10).sum()):
    sys.exit("changed: time bins in seconds are no longer rounded down to whole seconds")
print("as stated")
PY
