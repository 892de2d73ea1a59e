#!/usr/bin/env bash
# Version: spikeinterface 0.105.3, numpy 2.4.6.
#
# Behaviour: `add_synchrony_to_sorting` adds spikes at the times of others, "on different units (not duplicates)". It
# notes which units a time has had as numbers and looks for them among the ids, which `generate_sorting` makes as text.
# The first number is found, since 3 becomes "3"; the second is kept as a float, and "3.0" is no id. The same unit is
# then chosen again.
#
# Seen: ten units, and as many spikes added as there are. Of 9,938 spikes 722 are the second, or a later, spike of the
# same unit in the same sample. The same sorting with its units renamed to the integers 0 to 9 has none.
#
# Why it matters: the function makes ground truth for measures of synchrony and for sorters that must separate
# overlapping spikes. Duplicates violate each refractory period, and the true unit has twice the waveform there.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 spikeinterface==0.105.3 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from spikeinterface.core import generate_sorting
from spikeinterface.core.generate import add_synchrony_to_sorting

print(*(f"{name} {version(name)}" for name in ("spikeinterface", "numpy")))

def duplicates(sorting):
    spikes = sorting.to_spike_vector()
    pairs = np.stack([spikes["sample_index"], spikes["unit_index"]])
    return spikes.size, spikes.size - np.unique(pairs, axis=1).shape[1]

sorting = generate_sorting(num_units=10, durations=[100.0], firing_rates=5.0, refractory_period_ms=4.0, seed=0)
print(f"ids as generated: {sorting.unit_ids.tolist()}; {sorting.to_spike_vector().size} spikes, "
      f"{duplicates(sorting)[1]} duplicates")
seen = {}
for ratio in (0.3, 1.0):
    for ids, given in (("text", sorting), ("integers", sorting.rename_units(np.arange(10)))):
        total, seen[ratio, ids] = duplicates(add_synchrony_to_sorting(given, sync_event_ratio=ratio, seed=0))
        print(f"ratio {ratio}, ids are {ids}: {total} spikes, expected 0 duplicates, seen {seen[ratio, ids]}")

if duplicates(sorting)[1] or seen[0.3, "integers"] or seen[1.0, "integers"]:
    sys.exit("changed: there are duplicates with integer ids, or before spikes are added")
if seen[1.0, "text"] < 300 or seen[0.3, "text"] < 50:
    sys.exit("changed: there are hardly any duplicates with ids as they are generated")
print("as stated")
PY
