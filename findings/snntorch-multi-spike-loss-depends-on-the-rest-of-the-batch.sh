#!/usr/bin/env bash
# Versions: snntorch 1.0.0, torch 2.13.0.
#
# Behaviour: mse_temporal_loss(multi_spike=True) compares the first, second, ... spike of each
# output neuron with target times. To find the second spikes it removes the first ones from a
# copy of the record, and there it clears whole time steps: for each first spike of any neuron
# of any sample, that step is wiped for all neurons and all samples. A second spike that falls
# on somebody else's first spike is not seen; the neuron counts as silent until the last step.
#
# Seen: two samples, two neurons, six steps, two spikes each, targets equal to the spikes: the
# loss of each sample alone is 0, of the two as one batch 0.0312. A single sample whose second
# neuron starts when the first fires again has the loss 0.04 in place of 0. Random spikes at
# their targets, 10 neurons, 50 steps: loss 0.0119, 0.0494 and 0.0746 at
# batches of 1, 8 and 64.
#
# Why it matters: networks trained on spike times are pushed away from the right answer, the more
# the larger the batch: with many samples nearly every time step is somebody's first spike.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 snntorch==1.0.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import snntorch.functional as SF, torch

print("snntorch", version("snntorch"), "torch", version("torch"))

def record(*samples):
    """A record (time, sample, neuron), and target times (spike, sample, neuron) that equal its spikes."""
    times = torch.tensor(samples).permute(2, 0, 1)
    spikes = torch.zeros(int(times.max()) + 1, *times.shape[1:]).scatter_(0, times, 1.0)
    return spikes, times.float()

def loss(*samples):
    spikes, targets = record(*samples)
    return round(SF.mse_temporal_loss(target_is_time=True, multi_spike=True)(spikes, targets).item(), 4)

a = [(0, 2), (1, 3)]            # of each neuron its two spike times
b = [(2, 4), (0, 5)]
c = [(0, 2), (2, 4)]            # the second neuron starts when the first fires again
print("expected: loss 0 wherever the spikes are at their targets")
seen = {name: loss(*samples) for name, samples in
        {"sample a": (a,), "sample b": (b,), "a and b as a batch": (a, b), "sample c": (c,)}.items()}
generator = torch.Generator().manual_seed(0)
for size in (1, 8, 64):
    batch = torch.rand(size, 10, 50, generator=generator).topk(2).indices.sort().values.tolist()
    seen[f"random batch of {size}"] = loss(*batch)
for name, value in seen.items():
    print(f"{name}: loss {value}")

if seen["sample a"] != 0.0 or seen["sample b"] != 0.0:
    sys.exit("changed: the loss of a single sample at its targets")
if not 0 < seen["a and b as a batch"] < seen["sample c"] or not seen["random batch of 64"] > seen["random batch of 1"] > 0:
    sys.exit("changed: spikes at their targets have another loss now")
print("as stated")
PY
