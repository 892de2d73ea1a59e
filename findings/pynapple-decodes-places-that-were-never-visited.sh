#!/usr/bin/env bash
# Version: pynapple 0.11.4, numpy 2.4.6, xarray 2026.9.0.
#
# Behaviour: `compute_tuning_curves` gives a bin of the feature that was never visited the rate nan, for all units.
# `decode_bayes` sums log likelihoods with `nansum`, so that such a bin has 0, a likelihood of 1. The bins that were
# visited have the exponential of minus the expected number of spikes and less: the bin of which nothing is known wins
# wherever few spikes were fired. That holds for `uniform_prior=True`, the default.
#
# Seen: four place cells on a track from 0 to 10 of which 4 to 6 is jumped over, spikes drawn from known rates. Decoded
# in bins of 20 ms, more than half of the time is said to be spent between 4 and 6. Without these two bins, computed by
# hand from the same curves and counts, none is, and all other bins are decoded alike.
#
# Why it matters: mazes have walls, and tracks have ends that animals do not reach. Decoded trajectories and replays
# lead through places where the animal never was, most of all in silent moments.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 numba==0.68.1 xarray==2026.9.0 pynapple==0.11.4 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
import pynapple as nap

print(*(f"{name} {version(name)}" for name in ("pynapple", "numpy", "xarray")))

rng = np.random.default_rng(0)
times = np.arange(0, 100, 0.01)
position = np.where(times < 50, 4 * times / 50, 6 + 4 * (times - 50) / 50)
feature = nap.Tsd(t=times, d=position)
cells = {}
for number, center in enumerate((1, 3, 7, 9)):
    rate = 20 * np.exp(-((position - center) ** 2) / 2)
    cells[number] = nap.Ts(t=times[rng.random(len(times)) < 0.01 * rate])
cells = nap.TsGroup(cells, time_support=feature.time_support)
curves = nap.compute_tuning_curves(cells, feature, bins=10, range=[(0, 10)])
print("seconds in each bin of the track:", (curves.attrs["occupancy"] * 0.01).tolist())

centers, visited, seen = 0.5 + np.arange(10), curves.attrs["occupancy"] > 0, {}
for width in (0.02, 0.1):
    decoded, posterior = nap.decode_bayes(curves, cells, feature.time_support, width)
    counts = cells.count(width, feature.time_support).values
    rates = curves.values[:, visited] + 1e-12
    likelihood = counts @ np.log(rates) - width * rates.sum(axis=0)  # a constant of the counts left out
    by_hand = centers[visited][likelihood.argmax(axis=1)]
    inside = (decoded.values > 4) & (decoded.values < 6)
    seen[width] = inside.mean()
    same = np.array_equal(decoded.values[~inside], by_hand[~inside])
    by_hand_inside = ((by_hand > 4) & (by_hand < 6)).mean()
    print(f"bins of {1000 * width:.0f} ms: expected 0 % between 4 and 6, by hand {100 * by_hand_inside:.0f} %, seen "
          f"{100 * seen[width]:.0f} %; elsewhere as by hand: {same}")
    if not same:
        sys.exit("changed: bins that were visited are no longer decoded as by hand")

if not (seen[0.02] > 0.5 > seen[0.1] > 0.05):
    sys.exit("changed: places that were never visited are no longer decoded")
print("as stated")
PY
