#!/usr/bin/env bash
# Version: nengo-loihi 1.1.0, nengo 4.1.0, numpy 1.26.4.
#
# Behaviour: an AEDAT 2.0 file of a DAVIS camera has events, frames and other samples in one list; the first bit of an
# entry is 0 for events and 1 for samples of frames. `DVSEvents`, which reads such files for Loihi, has a field for
# that bit and never looks at it: each sample of a pixel becomes an event there. External events are read with v = 1,
# and `DVSFileChipProcess`, which plays a file into a network, plays them as well.
#
# Seen: a file with 100 events, one frame of 240x180 pixels, each read twice as the camera does, and 2 external
# events. Expected are 100 events of pixels. Read are 86,502, of which 43,300 have v = 0, "DVS events". A network that
# plays the file receives all 86,502 as spikes, and a frame before the first event has become the beginning of time.
#
# Why it matters: a DAVIS camera records frames beside events. With each frame the chip receives events that no pixel
# had, at all pixels at once and hundreds of times as many as real ones, or a network is trained on them.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==1.26.4 scipy==1.15.3 nengo==4.1.0 nengo-loihi==1.1.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import struct
import sys
from importlib.metadata import version

import nengo
import numpy as np
from nengo_loihi.dvs import DVSEvents, DVSFileChipProcess

print(*(f"{name} {version(name)}" for name in ("nengo-loihi", "nengo", "numpy")))
WIDTH, HEIGHT, EVENTS = 240, 180, 100

def entry(time, x=0, y=0, frame=0, polarity=0, external=0, sample=0):
    """Eight bytes: 1 bit frame, 9 bits y, 10 bits x, 1 bit polarity, 1 bit external, 10 bits sample, 32 bits time."""
    address = frame << 31 | y << 22 | x << 12 | polarity << 11 | external << 10 | sample
    return struct.pack(">II", address, time)

entries = []
for read in (0, 1):                                     # of a frame each pixel is read twice, reset and signal
    for x in range(WIDTH):
        entries += [entry(1000 + 100 * read, x, y, frame=1, external=read, sample=300) for y in range(HEIGHT)]
entries += [entry(5000 + 10 * k, x=k, y=k, polarity=k % 2) for k in range(EVENTS)]
entries += [entry(6500 + k, external=1) for k in range(2)]
with open("davis.aedat", "wb") as file:
    file.write(b"#!AER-DAT2.0\r\n# AEChip: Davis240C\r\n")
    file.write(b"".join(entries))

events = DVSEvents.from_file("davis.aedat").events
pixels = int((events["v"] == 0).sum())
print(f"events of pixels in the file: {EVENTS}; read {len(events)}, with v = 0: expected {EVENTS}, seen {pixels}")

with nengo.Network() as network:
    camera = nengo.Node(DVSFileChipProcess("davis.aedat"))
    probe = nengo.Probe(camera)
with nengo.Simulator(network, progress_bar=False) as simulator:
    simulator.run(0.01)
spikes = (simulator.data[probe].sum(1) * simulator.dt).round().astype(int)
print(f"played in steps of 1 ms: expected {EVENTS} spikes, all in the first step; seen {spikes.sum()},")
print(f"  step by step {spikes.tolist()}")

frame = WIDTH * HEIGHT
if len(events) != 2 * frame + EVENTS + 2 or pixels != frame + EVENTS:
    sys.exit("changed: samples of frames are no longer read as events")
if spikes.sum() != len(events):
    sys.exit("changed: samples of frames or external events are no longer played")
print("as stated")
PY
