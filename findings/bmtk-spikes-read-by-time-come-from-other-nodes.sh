#!/usr/bin/env bash
# Version: bmtk 1.2.0, h5py 3.16.0, numpy 2.4.6.
#
# Behaviour: `SpikeTrains.from_sonata(file).spikes(sort_order=SortOrder.by_time)` gives the spikes of a SONATA file one
# after the other, sorted by time. It sorts the times, and takes the nodes in the order of the file: unless the file
# is sorted by time already, spikes get the node of another spike. `to_dataframe(sort_order=...)` is right.
# `spikes(time_window=...)` gives all spikes of a file, whatever the window; of spike trains in memory it is right.
#
# Seen: node 0 fires at 10, 30 and 50 ms, node 1 at 20 and 40 ms, in a file sorted by node. By
# time the nodes should be 0, 1, 0, 1, 0. `spikes` gives 0, 0, 0, 1, 1: node 0 at 10, 20 and 30 ms.
# A window from 15 to 35 ms has 2 spikes; from the file 5 come.
#
# Why it matters: SONATA files are written to be shared between simulators, and sorting by node is one of the orders
# that the format names. Rates of nodes and the times of all spikes stay right, so that nothing looks wrong.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 pandas==3.1.1 h5py==3.16.0 scipy==1.17.1 bmtk==1.2.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

from bmtk.utils.reports.spike_trains import SpikeTrains
from bmtk.utils.reports.spike_trains.core import SortOrder

print(*(f"{name} {version(name)}" for name in ("bmtk", "h5py", "numpy")))
trains = SpikeTrains(default_population="v1")
trains.add_spikes([0, 0, 0, 1, 1], [10.0, 30.0, 50.0, 20.0, 40.0])
trains.to_sonata("by_id.h5", sort_order=SortOrder.by_id)
trains.to_sonata("by_time.h5", sort_order=SortOrder.by_time)
expected = [(10, 0), (20, 1), (30, 0), (40, 1), (50, 0)]

seen = {}
for name in ("by_time", "by_id"):
    file = SpikeTrains.from_sonata(f"{name}.h5")
    seen[name] = [(int(time), int(node)) for time, _, node in file.spikes(sort_order=SortOrder.by_time)]
    table = file.to_dataframe(sort_order=SortOrder.by_time)
    rows = list(zip(table["timestamps"].astype(int).tolist(), table["node_ids"].tolist(), strict=True))
    print(f"file sorted {name}: expected (time, node) of {expected}, seen {seen[name]}; by to_dataframe {rows}")
    if rows != expected:
        sys.exit("changed: to_dataframe is no longer right")
inside = len(list(trains.spikes(time_window=(15.0, 35.0))))
from_file = len(list(file.spikes(time_window=(15.0, 35.0))))
print(f"spikes from 15 to 35 ms: expected 2, seen {inside} in memory, {from_file} from the file")

if seen["by_time"] != expected or inside != 2:
    sys.exit("changed: a file sorted by time, or spike trains in memory, are no longer right")
if seen["by_id"] != [(10, 0), (20, 0), (30, 0), (40, 1), (50, 1)]:
    sys.exit("changed: spikes of a file sorted by node")
if from_file != 5:
    sys.exit("changed: the time window of a file")
print("as stated")
PY
