#!/usr/bin/env bash
# Version: neo 0.14.6, pynwb 4.2.0, quantities 0.16.4, numpy 2.4.6.
#
# Behaviour: The labels of an Epoch are optional; without them there are none. `NWBIO.write_block` goes through times,
# durations and labels together, as far as all three reach: of an Epoch without labels nothing is written. The file is
# valid, and no warning is given. Neo's own Matlab writer keeps such epochs.
#
# Seen: a block with two Epochs of three trials each, one with labels, one without. Read back from NWB there is one
# Epoch, with three trials: the other is gone. Read back from a Matlab file there are both.
#
# Why it matters: NWB is what recordings are archived and published in. Trials, or the times of a stimulus, that came
# without names from `Epoch(times, durations)` are missing from the archive, while signals and spikes are complete.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 quantities==0.16.4 neo==0.14.6 scipy==1.17.1 pynwb==4.2.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import datetime
import logging
import sys
from importlib.metadata import version

import neo
import quantities as pq

print(*(f"{name} {version(name)}" for name in ("neo", "pynwb", "quantities", "numpy")))
logging.disable(logging.WARNING)

def block(*names):
    block = neo.Block(name="block", session_start_time=datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc))
    segment = neo.Segment(name="segment")
    block.segments.append(segment)
    segment.spiketrains.append(neo.SpikeTrain([1, 2] * pq.s, t_stop=9 * pq.s, name="unit"))
    for name in names:
        labels = ["a", "b", "c"] if name == "with labels" else None
        segment.epochs.append(neo.Epoch([1, 3, 5] * pq.s, durations=[1, 1, 1] * pq.s, labels=labels, name=name))
    block.check_relationships()
    return block

def read_back(written, suffix):
    if suffix == "nwb":
        neo.io.NWBIO("block.nwb", mode="w").write_block(written)
        read = neo.io.NWBIO("block.nwb", mode="r").read_block()
    else:
        neo.io.NeoMatlabIO("block.mat").write_block(written)
        read = neo.io.NeoMatlabIO("block.mat").read_block()
    return {str(epoch.name): len(epoch) for epoch in read.segments[0].epochs if len(epoch)}

names, seen = ("with labels", "without"), {}
for suffix in ("mat", "nwb"):
    seen[suffix] = read_back(block(*names), suffix)
    print(f"{suffix}: expected {dict.fromkeys(names, 3)}, seen {seen[suffix]}")

if seen["mat"] != dict.fromkeys(names, 3):
    sys.exit("changed: Matlab files no longer keep all epochs")
if seen["nwb"] != {"with labels": 3}:
    sys.exit("changed: epochs without labels are no longer left out of NWB files")
print("as stated")
PY
