#!/usr/bin/env bash
# Version: elephant 1.2.1, neo 0.14.6, quantities 0.16.4, numpy 2.4.6.
#
# Behaviour: `jitter_spikes` makes surrogates: bins span the train from its t_start on, and each spike goes to a random
# place within its bin. Bin edges are t_start plus times that begin at t_start, t_start is added once more to them, and
# the bin of a spike is its absolute time divided by the width. It is right for a train that begins at 0 only. Else
# spikes move by three times t_start, and where they pass t_stop, or the list of bins ends, an error follows.
#
# Seen: bins of 100 ms. Spikes at 10, 150, 350 and 700 ms of a train from 0 to 2,000 ms stay in bins 0, 1, 3 and 7.
# The same train from 100 ms on should have them in the same bins of its own: in all surrogates they are in bins 3, 4,
# 6 and 10 (the train is longer than its spikes, so that there is no error).
#
# Why it matters: a slice of a recording, or a trial after a stimulus, gets surrogates whose rates are those of another
# time. Tests against them find structure that is a shift, in neurons that were compared with their own later selves.
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
from elephant.spike_train_surrogates import jitter_spikes

print(*(f"{name} {version(name)}" for name in ("elephant", "neo", "quantities", "numpy")))
np.random.seed(0)
WIDTH, TIMES = 100, np.array([10.0, 150.0, 350.0, 700.0])
expected = (TIMES // WIDTH).astype(int).tolist()

seen = {}
for begin in (0, 100):
    train = neo.SpikeTrain(begin + TIMES, units="ms", t_start=begin, t_stop=begin + 2000)
    surrogates = jitter_spikes(train, WIDTH * pq.ms, n_surrogates=50)
    bins = {tuple(((surrogate.magnitude - begin) // WIDTH).astype(int).tolist()) for surrogate in surrogates}
    seen[begin] = sorted(bins)
    print(f"train from {begin} ms on: expected bins {expected} from its begin, seen in 50 surrogates: {seen[begin]}")

if seen[0] != [tuple(expected)]:
    sys.exit("changed: spikes of a train that begins at 0 no longer stay in their bins")
if seen[100] != [(3, 4, 6, 10)]:
    sys.exit("changed: spikes of a train that begins later no longer leave their bins in this way")
print("as stated")
PY
