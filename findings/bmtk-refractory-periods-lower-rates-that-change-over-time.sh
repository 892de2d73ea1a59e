#!/usr/bin/env bash
# Version: bmtk 1.2.0, numpy 2.4.6, scipy 1.17.1.
#
# Behaviour: `PoissonSpikeGenerator` takes a refractory period (`abs_ref`, `tau_ref`) and draws at a higher rate, so
# that what remains is `firing_rate`. With one rate for all times that is so. With a list of rates only the list is
# corrected, not the largest rate, by which spikes are drawn: the peak cannot be reached, and all else is too low by
# about exp(-peak * abs_ref), whatever the rate at that time is.
#
# Seen: 100 nodes for 10 s, abs_ref = 3 ms. A rate of 50 Hz given as a number is 50 Hz. Given as a list of 50 Hz it is
# 43 Hz, that is 50 * exp(-50 * 0.003). A list of 10 Hz and then 100 Hz becomes 8 and 74 Hz. Without a refractory
# period all are right.
#
# Why it matters: lists are how stimuli come in, the rates of a retina for example. Input is up to a quarter weaker once
# a refractory period makes it more realistic, and how much depends on the peak: on another part of the recording.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 pandas==3.1.1 h5py==3.16.0 scipy==1.17.1 six==1.17.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }
venv/bin/pip install -q --no-compile --no-deps bmtk==1.2.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from bmtk.utils.reports.spike_trains import PoissonSpikeGenerator

print(*(f"{name} {version(name)}" for name in ("bmtk", "numpy", "scipy")))
NODES, times = 100, np.linspace(0, 10, 1001)
lists = {"50 Hz": np.full(1001, 50.0), "10 Hz, then 100 Hz": np.where(times < 5, 10.0, 100.0)}

def halves(rate, when, abs_ref):
    """The mean rate in the first and the last 5 s."""
    spikes = PoissonSpikeGenerator(population="v1", seed=0)
    spikes.add(list(range(NODES)), rate, times=when, abs_ref=abs_ref)
    at = spikes.to_dataframe()["timestamps"].to_numpy()
    return [round(float(part.sum()) / NODES / 5, 1) for part in (at < 5000, at >= 5000)]

seen = {}
for abs_ref in (0, 0.003):
    number = halves(50.0, (0.0, 10.0), abs_ref)
    print(f"abs_ref = {abs_ref:g} s, 50 Hz as a number: expected [50, 50] Hz, seen {number}")
    if any(abs(rate - 50) > 2 for rate in number):
        sys.exit("changed: a rate given as a number is no longer right")
    for name, rates in lists.items():
        asked = [float(rates[0]), float(rates[-1])]
        seen[abs_ref, name] = halves(rates, times, abs_ref)
        print(f"abs_ref = {abs_ref:g} s, list of {name}: expected {asked} Hz, seen {seen[abs_ref, name]}")
        if not abs_ref and any(abs(s - a) > 0.1 * a for s, a in zip(seen[0, name], asked, strict=True)):
            sys.exit("changed: lists without a refractory period are no longer right")

low = seen[0.003, "50 Hz"] + [seen[0.003, "10 Hz, then 100 Hz"][1]]
by_hand = [50 * np.exp(-50 * 0.003)] * 2 + [100 * np.exp(-100 * 0.003)]
if any(abs(rate - hand) > 2 for rate, hand in zip(low, by_hand, strict=True)):
    sys.exit("changed: lists with a refractory period are no longer too low by exp(-peak * abs_ref)")
if seen[0.003, "10 Hz, then 100 Hz"][0] > 9:
    sys.exit("changed: the low rate before a peak")
print("as stated")
PY
