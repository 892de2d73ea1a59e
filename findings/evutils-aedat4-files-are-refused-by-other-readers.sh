#!/usr/bin/env bash
# Version: evutils 0.3.18, dv_processing 2.0.4, aedat 2.3.0, faery 0.7.1.
#
# Behaviour: AEDAT 4 is iniVation's format. Its header describes the streams in XML whose root is `dv`. The files that
# evutils writes begin with another node, and their header does not pass the check of dv_processing, iniVation's own
# library. Only evutils itself and what does not look at the root read them.
#
# Seen: five events written by evutils come back in evutils. dv_processing refuses the file because it "could not verify
# IOHeader contents", aedat and faery because of the root node. Five events written by faery are read by all three.
#
# Why it matters: a format is written for other tools to read. The conversion ends without an error and can be checked
# with the package that did it; that nothing of the camera's maker opens the recording shows when it is needed.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 numba==0.68.1 evutils==0.3.18 dv_processing==2.0.4 aedat==2.3.0 faery==0.7.1 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import aedat
import dv_processing
import faery
import numpy as np
from evutils.io import EventReader, EventWriter
from evutils.types import EventArray

print(*(f"{name} {version(name)}" for name in ("evutils", "dv_processing", "aedat", "faery", "numpy")))

times = 1000 * np.arange(1, 6)
columns = {"x": np.arange(5, dtype=np.uint16), "y": np.arange(5, dtype=np.uint16)}
with EventWriter("evutils.aedat4", width=640, height=480) as writer:
    writer.write(EventArray(t=times, p=np.ones(5, np.int8), **columns))
events = np.zeros(5, faery.EVENTS_DTYPE)
events["t"], events["x"], events["y"] = times, columns["x"], columns["y"]
faery.events_stream_from_array(events, dimensions=(640, 480)).to_file("faery.aedat4")

def by_dv_processing(path):
    recording, read = dv_processing.io.MonoCameraRecording(path), []
    while recording.isRunning():
        batch = recording.getNextEventBatch()
        if batch is not None:
            read += batch.timestamps().tolist()
    return read

def by_aedat(path):
    return np.concatenate([packet["events"]["t"] for packet in aedat.Decoder(path) if "events" in packet]).tolist()

def by_faery(path):
    return faery.events_stream_from_file(path).to_array()["t"].tolist()

def attempt(read, path):
    try:
        return read(path)
    except RuntimeError as error:
        return str(error)

with EventReader("evutils.aedat4") as reader:
    own = [int(time) for time in reader.read_all()["t"]]
print(f"written by evutils: expected {times.tolist()}, read by evutils {own}")
seen = {}
for path in ("faery.aedat4", "evutils.aedat4"):
    for name, read in (("dv_processing", by_dv_processing), ("aedat", by_aedat), ("faery", by_faery)):
        seen[path, name] = attempt(read, path)
        print(f"{path}: expected {times.tolist()}, read by {name} {seen[path, name]!r}")

if own != times.tolist() or any(seen["faery.aedat4", name] != own for name in ("dv_processing", "aedat", "faery")):
    sys.exit("changed: evutils no longer reads its file, or the others that of faery")
if not all(isinstance(seen["evutils.aedat4", name], str) for name in ("dv_processing", "aedat", "faery")):
    sys.exit("changed: files of evutils are no longer refused")
print("as stated")
PY
