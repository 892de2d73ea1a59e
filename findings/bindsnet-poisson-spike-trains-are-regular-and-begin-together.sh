#!/usr/bin/env bash
# Version: bindsnet 0.3.4, torch 2.13.0. The encoders' file is run by itself, without the rest of the package, whose
# requirements are large and have no part in it.
#
# Behaviour: `bindsnet.encoding.poisson` "Generates Poisson-distributed spike trains", its inputs being rates in Hz.
# In a Poisson process the intervals between spikes are exponential, and the number of spikes has its mean as
# variance. BindsNET draws each interval from a Poisson distribution around the mean interval: at 10 Hz 100 ms, give
# or take 10. Spikes come like those of a clock, and as each neuron's first interval is drawn so too, all clocks
# start at once.
#
# Seen: 2000 neurons at 10 Hz for 1 s: variance over mean of the spike counts is 0.03 in place of 1, the intervals'
# coefficient of variation 0.1 in place of 1. In the first 50 ms not one of them fires, where 787 should (1 -
# exp(-0.5) of all). From 90 to 110 ms two thirds of the first spikes fall, where 7 % should.
#
# Why it matters: pixels of equal intensity fire together and again together, which plasticity by spike times learns
# from. Presented for less than the interval, a weak input is no input. Rates alone are right, so that nothing looks
# wrong.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
{ venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 && venv/bin/pip install -q --no-compile --no-deps bindsnet==0.3.4; } \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import distribution, version
from importlib.util import module_from_spec, spec_from_file_location

import torch

print(*(f"{name} {version(name)}" for name in ("bindsnet", "torch")))
path = distribution("bindsnet").locate_file("bindsnet/encoding/encodings.py")
spec = spec_from_file_location("encodings", path)
encodings = module_from_spec(spec)
spec.loader.exec_module(encodings)

torch.manual_seed(0)
NEURONS, RATE, TIME = 2000, 10.0, 1000

def measures(spikes):
    """Return variance over mean of the counts, the intervals' variation, and shares of neurons by first spike."""
    counts = spikes.sum(0)
    times = [train.nonzero().flatten().float() for train in spikes.T]
    intervals = torch.cat([train.diff() for train in times])
    firsts = torch.tensor([train[0] if len(train) else TIME for train in times])
    return {
        "spikes a second": counts.mean().item(),
        "variance over mean of the counts": (counts.var() / counts.mean()).item(),
        "coefficient of variation of the intervals": (intervals.std() / intervals.mean()).item(),
        "neurons that fire within 50 ms": (firsts < 50).sum().item(),
        "first spikes from 90 to 110 ms": ((firsts >= 90) & (firsts < 110)).sum().item(),
    }

# one chance of rate * 1 ms at each step: the Poisson process in steps of 1 ms
expected = measures(torch.bernoulli(torch.full((TIME, NEURONS), RATE / 1000)))
seen = measures(encodings.poisson(torch.full((NEURONS,), RATE), time=TIME).float())
for name in seen:
    print(f"{name}: expected {expected[name]:.3g}, seen {seen[name]:.3g}")

counts, intervals, within, together = list(seen)[1:]
if abs(expected[counts] - 1) > 0.1 or not 700 < expected[within] < 880:
    sys.exit("changed: the reference is not a Poisson process")
if seen[counts] > 0.1 or seen[intervals] > 0.2 or seen[within] or seen[together] < 0.5 * NEURONS:
    sys.exit("changed: the encoder's spikes are no longer regular")
print("as stated")
PY
