#!/usr/bin/env bash
# Version: bmtk 1.2.0, numpy 2.4.6, scipy 1.17.1.
#
# Behaviour: `GammaSpikeGenerator` draws round(1.5 * rate * duration) intervals for a node and ends there. Where that is
# few, trains end early: a node has no more than 1.5 times its mean count of spikes, and none at all where the mean is a
# third or less. With a shape of 1, "this becomes a Poisson distribution", the documentation says;
# `PoissonSpikeGenerator` has no such limit.
#
# Seen: 5,000 nodes for 1 s (the default) with a shape of 1. At 10 Hz the mean is 10 Hz. At 1 Hz it should be 1 and is
# 0.91, as counts of a Poisson distribution that are cut at 2; no node fires 3 times, where 8 % should. At 0.3 Hz no
# node fires; 26 % should. At 0.3 Hz for 100 s the mean is right.
#
# Why it matters: cells of the cortex have rates of 1 Hz and below. Background input of such a rate, made trial by trial
# in pieces of a second, is silence or too regular, and the same rate over a long time looks right in a test.
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

from collections import Counter
from math import exp

from bmtk.utils.reports.spike_trains import GammaSpikeGenerator, PoissonSpikeGenerator

print(*(f"{name} {version(name)}" for name in ("bmtk", "numpy", "scipy")))

def counts(generator, rate, nodes, duration, **shape):
    """How many spikes each node fires."""
    spikes = generator(population="v1", seed=0)
    spikes.add(list(range(nodes)), rate, times=(0.0, duration), **shape)
    if "v1" not in spikes.populations:
        return [0] * nodes
    fired = Counter(spikes.to_dataframe()["node_ids"].tolist())
    return [fired[node] for node in range(nodes)]

seen = {}
for rate, nodes, duration in ((10.0, 5000, 1.0), (1.0, 5000, 1.0), (0.3, 5000, 1.0), (0.3, 500, 100.0)):
    gamma = counts(GammaSpikeGenerator, rate, nodes, duration, a=1.0)
    poisson = counts(PoissonSpikeGenerator, rate, nodes, duration)
    seen[rate, duration] = sum(gamma) / nodes / duration
    of_poisson = sum(poisson) / nodes / duration
    active = sum(count > 0 for count in gamma) / nodes
    print(f"{rate:g} Hz for {duration:g} s: expected a mean of {rate:g} Hz, seen {seen[rate, duration]:.2f} and",
          f"at most {max(gamma)} spikes, by the Poisson generator {of_poisson:.2f} and {max(poisson)};",
          f"expected {1 - exp(-rate * duration):.0%} of nodes to fire, seen {active:.0%}")
    if abs(of_poisson - rate) > 0.1 * rate:
        sys.exit("changed: the Poisson generator is no longer right")
    if (rate, duration) == (1.0, 1.0) and max(gamma) != 2:
        sys.exit("changed: at 1 Hz nodes fire more than twice in a second")

if abs(seen[10.0, 1.0] - 10) > 0.3 or abs(seen[0.3, 100.0] - 0.3) > 0.02:
    sys.exit("changed: long trains are no longer right")
if not 0.86 < seen[1.0, 1.0] < 0.94 or seen[0.3, 1.0]:
    sys.exit("changed: short trains of low rates")
print("as stated")
PY
