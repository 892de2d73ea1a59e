#!/usr/bin/env bash
# Version: bmtk 1.2.0, pandas 3.1.1, h5py 3.16.0.
#
# Behaviour: `SpikeTrains.to_csv(path, sort_order=...)` writes spikes unsorted: it hands the order on under another name
# (`sort_orders`), which is swallowed without a warning. By time and by node it is the same: spikes stand as they came.
# `to_sonata(sort_order=...)` and `to_dataframe(sort_order=...)` are right.
#
# Seen: node 1 fires at 30 and 10 ms, node 0 at 20 ms. By time the file should have 10, 20, 30 ms, by node those of
# node 0 first. `to_csv` writes 30, 10, 20 with nodes of 1, 1, 0 both times.
#
# Why it matters: what plays spikes from a CSV file line by line, or stops at the first spike beyond a time, loses
# spikes. Whoever asked for an order has no reason to sort again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 pandas==3.1.1 h5py==3.16.0 six==1.17.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }
venv/bin/pip install -q --no-compile --no-deps bmtk==1.2.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

from bmtk.utils.reports.spike_trains import SpikeTrains
from bmtk.utils.reports.spike_trains.core import SortOrder

print(*(f"{name} {version(name)}" for name in ("bmtk", "pandas", "h5py")))
trains = SpikeTrains(default_population="v1")
trains.add_spikes([1, 1, 0], [30.0, 10.0, 20.0])

seen = {}
for order in (SortOrder.by_time, SortOrder.by_id):
    trains.to_csv("spikes.csv", sort_order=order)
    trains.to_sonata("spikes.h5", sort_order=order)
    table = trains.to_dataframe(sort_order=order)
    expected = [(float(time), int(node)) for time, node in zip(table["timestamps"], table["node_ids"], strict=True)]
    table = SpikeTrains.from_sonata("spikes.h5").to_dataframe()
    sonata = [(float(time), int(node)) for time, node in zip(table["timestamps"], table["node_ids"], strict=True)]
    with open("spikes.csv") as lines:
        rows = [line.split() for line in list(lines)[1:]]
    seen[order] = [(float(time), int(node)) for time, _, node in rows]
    print(f"{order.value}: expected {expected}, seen {seen[order]}, in a SONATA file {sonata}")
    column = 0 if order is SortOrder.by_time else 1
    if sonata != expected or [row[column] for row in expected] != sorted(row[column] for row in expected):
        sys.exit("changed: SONATA files or tables are no longer sorted")

if any(rows != [(30.0, 1), (10.0, 1), (20.0, 0)] for rows in seen.values()):
    sys.exit("changed: CSV files are no longer unsorted")
print("as stated")
PY
