#!/usr/bin/env bash
# Version: pynapple 0.11.4, numpy 2.4.6.
#
# Behaviour: `resample_timestamps` draws spike times anew, "in the time support of the whole group". For a TsGroup it
# draws between the start and the end of the first epoch of the support. For a single Ts it draws from the start to the
# end of all, the gaps between the epochs included, and drops what falls into gaps: trains lose spikes.
#
# Seen: 1,000 spikes, 500 in each of two epochs of 100 s with 800 s between them. Resampled in a TsGroup all 1,000 are
# in the first epoch, none in the second. As a Ts, fewer than 300 are left of 1,000. With one epoch both are right.
#
# Why it matters: it makes surrogates against which a measured effect is compared. With trials or states as support, the
# surrogate has twice the rate in one epoch and silence in the others, or a fraction of the rate: anything differs from
# it.
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

print("pynapple", version("pynapple"), "numpy", version("numpy"))

np.random.seed(0)

def spikes_in_epochs(train, epochs):
    return [len(train.restrict(epochs[number])) for number in range(len(epochs))]

seen = {}
for name, starts in (("two epochs", [0, 900]), ("one epoch", [0])):
    epochs = nap.IntervalSet(start=starts, end=[start + 100 for start in starts])
    times = np.concatenate([start + np.sort(np.random.uniform(0, 100, 1000 // len(starts))) for start in starts])
    train = nap.Ts(t=times, time_support=epochs)
    group = nap.TsGroup({0: train, 1: train}, time_support=epochs)
    expected = spikes_in_epochs(train, epochs)
    seen[name] = (spikes_in_epochs(nap.resample_timestamps(group)[0], epochs),
                  spikes_in_epochs(nap.resample_timestamps(train), epochs))
    print(f"{name}: expected about {expected} spikes, seen {seen[name][0]} in a TsGroup, {seen[name][1]} of a Ts")

if seen["one epoch"] != ([1000], [1000]):
    sys.exit("changed: trains with one epoch no longer keep their spikes")
if seen["two epochs"][0] != [1000, 0]:
    sys.exit("changed: a TsGroup is no longer resampled within its first epoch")
if not 100 < sum(seen["two epochs"][1]) < 300:
    sys.exit("changed: a Ts no longer loses the spikes that are drawn in gaps")
print("as stated")
PY
