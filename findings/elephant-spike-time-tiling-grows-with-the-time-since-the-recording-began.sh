#!/usr/bin/env bash
# Version: elephant 1.2.1, neo 0.14.6, quantities 0.16.4, numpy 2.4.6.
#
# Behaviour: `spike_time_tiling_coefficient` counts the spikes that have one of the other train within dt. It asks
# numpy's `isclose` with an absolute tolerance of dt and leaves the relative one at its default, so that the window is
# dt plus a hundred-thousandth of the time of the spike: 10 ms more at 1,000 s. The share of time that windows cover,
# which the coefficient compares it with, is computed with dt alone.
#
# Seen: two independent Poisson trains of 10 Hz over 10 s, dt 5 ms. Beginning at 0 s the coefficient is 0.014, as by
# hand. The same trains, both shifted, should give the same: 0.040 at 100 s, 0.179 at 1,000 s, 0.591 at an hour.
#
# Why it matters: the coefficient is there to compare correlations between recordings and rates. Here it rises through
# each recording, and slices of a long one seem to synchronize more and more.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 scipy==1.17.1 neo==0.14.6 quantities==0.16.4 elephant==1.2.1 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import neo
import numpy as np
import quantities as pq
from elephant.spike_train_correlation import spike_time_tiling_coefficient

print(*(f"{name} {version(name)}" for name in ("elephant", "neo", "quantities", "numpy")))
DURATION, DT = 10.0, 0.005

def by_hand(first, second):
    def share_of_spikes(train, other):
        return np.mean([np.abs(other - time).min() <= DT for time in train])

    def share_of_time(train):  # length of the union of all windows
        covered, end = 0.0, 0.0
        for time in train:
            low, high = max(time - DT, end), min(time + DT, DURATION)
            covered, end = covered + max(high - low, 0), max(end, high)
        return covered / DURATION

    def term(spikes, time):
        return (spikes - time) / (1 - spikes * time)

    return (term(share_of_spikes(first, second), share_of_time(second))
            + term(share_of_spikes(second, first), share_of_time(first))) / 2

rng = np.random.default_rng(0)
trains = [np.sort(rng.uniform(0, DURATION, 100)) for _ in range(2)]
expected, seen = by_hand(*trains), {}
for begin in (0, 100, 1000, 3600):
    shifted = [neo.SpikeTrain(begin + train, units="s", t_start=begin, t_stop=begin + DURATION) for train in trains]
    seen[begin] = spike_time_tiling_coefficient(*shifted, dt=DT * pq.s)
    print(f"two independent trains from {begin} s on: expected {expected:.3f}, seen {seen[begin]:.3f}")

if not np.isclose(seen[0], expected, atol=1e-6):
    sys.exit("changed: the coefficient at the beginning is no longer the one by hand")
if not (0.02 < seen[100] < 0.1 < seen[1000] < 0.3 < seen[3600]):
    sys.exit("changed: the coefficient no longer grows with the time of the spikes")
print("as stated")
PY
