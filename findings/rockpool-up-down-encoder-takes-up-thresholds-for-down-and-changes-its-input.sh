#!/usr/bin/env bash
# Version: rockpool 3.1.0, torch 2.13.0.
#
# Behaviour: UpDownTorch turns an analogue channel into a channel of up spikes and one of down spikes, with a
# threshold for each direction, a number or one a channel. With one a channel `thr_down` is not used: `thr_up` is
# taken in both directions. With a refractory period the reference value of each channel is a view of the first time
# step of the input, and every update of it is written into the caller's tensor.
#
# Seen: one period of a sine in 100 steps, thr_up 0.1, thr_down 0.5. As numbers: 14 spikes up, 3 down. As one value a
# channel: 17 and 18, what 0.1 in both directions gives. With `n_ref_steps=1` the first value of the input has
# changed from 0 to -0.13 after the call, and the same tensor encoded again gives other spikes in 65 places.
#
# Why it matters: thresholds set to balance the two directions, or learned for each channel, have no effect downwards;
# and data kept in memory is encoded in another way in each epoch.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 scipy==1.17.1 torch==2.13.0 rockpool==3.1.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import torch
from rockpool.nn.modules import UpDownTorch

print(*(f"{name} {version(name)}" for name in ("rockpool", "torch")))
torch.set_grad_enabled(False)
UP, DOWN = 0.1, 0.5
wave = torch.sin(6.28 * torch.arange(100) / 100)[None, :, None]

def counts(up, down):
    spikes = UpDownTorch(1, thr_up=up, thr_down=down)(wave.clone())[0]
    return spikes.sum((0, 1)).int().tolist()

numbers, channels = counts(UP, DOWN), counts(torch.tensor([UP]), torch.tensor([DOWN]))
both_up = counts(UP, UP)
print(f"spikes up and down, thr_up {UP}, thr_down {DOWN}: expected {numbers}, as numbers")
print(f"  seen with one value a channel: {channels}; with {UP} in both directions: {both_up}")

data = wave.clone()
encoder = UpDownTorch(1, thr_up=UP, thr_down=UP, n_ref_steps=1)
first, second = encoder(data)[0].clone(), encoder(data)[0].clone()
changed = (data != wave).nonzero().tolist()
differ = int((first != second).sum())
print(f"refractory period of 1 step: expected the input unchanged and the same spikes again")
print(f"  seen: input changed at {changed}, spikes differ in {differ} places between two calls")

if numbers == both_up or channels != both_up:
    sys.exit("changed: thr_down with one value a channel is no longer replaced by thr_up")
if changed != [[0, 0, 0]] or differ == 0:
    sys.exit("changed: the encoder no longer writes its reference into its input")
print("as stated")
PY
