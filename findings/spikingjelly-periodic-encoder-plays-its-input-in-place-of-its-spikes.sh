#!/usr/bin/env bash
# Version: spikingjelly 2.0.0, torch 2.13.0.
#
# Behaviour: `PeriodicEncoder(spike)` repeats a pattern: by its description the call number t gives `spike[t % T]`, T
# being the length of `spike`. It keeps T alone, which nothing reads. The first call takes what it is called with for
# the pattern: for a batch of stimuli it gives one stimulus after the other, values between 0 and 1, as if they were
# time steps. Without an argument it raises an error about `NoneType`.
#
# Seen: a pattern of 4 steps for 3 neurons, called 8 times with a batch of 2 stimuli. Expected are the 4 steps, twice,
# each of the shape (3,); seen are the first and the second stimulus of the batch, four times. The pattern makes no
# difference. In multi-step mode likewise.
#
# Why it matters: fixed patterns, a teacher's signal or a clock, are what the encoder is for. The layer behind it gets
# values in place of spikes and, where shapes fit, mixes the samples of a batch over time.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 spikingjelly==2.0.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import torch
from spikingjelly.activation_based.encoding import PeriodicEncoder

print("spikingjelly", version("spikingjelly"), "torch", version("torch"))
pattern = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
batch = torch.tensor([[0.2, 0.3, 0.4], [0.5, 0.6, 0.7]])
STEPS = 8

def play(spikes, step_mode="s"):
    encoder = PeriodicEncoder(spikes, step_mode)
    if step_mode == "m":
        return encoder(batch.expand(STEPS, *batch.shape))
    return torch.stack([encoder(batch) for _ in range(STEPS)])

expected = pattern.repeat(STEPS // len(pattern), 1)
seen, other = play(pattern), play(1.0 - pattern)
for step in range(STEPS):
    print(f"call {step}: expected {expected[step].tolist()}, seen {[round(v, 1) for v in seen[step].tolist()]}")
print("another pattern gives another answer:", not torch.equal(seen, other))
many = play(pattern, "m")
print("multi-step mode gives the same:", torch.equal(many, seen))
try:
    PeriodicEncoder(pattern)()
    alone = "an answer"
except TypeError as error:
    alone = f"TypeError: {error}"
print("called without an argument:", alone)

if not torch.equal(seen, batch.repeat(STEPS // len(batch), 1)) or not torch.equal(seen, other):
    sys.exit("changed: the encoder no longer plays its input")
print("as stated")
PY
