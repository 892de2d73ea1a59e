#!/usr/bin/env bash
# Version: spikingjelly 2.0.0, torch 2.13.0.
#
# Behaviour: RateCodingRecipe turns ReLUs into neurons that fire at most once a step, after scaling them by what
# calibration data showed. With mode "Max", the default, the scale is said to be the maximum of the activations. It is
# a running mean of the maxima of the batches (`momentum`, 0.1): it falls with the batch size, depends on the order of
# the batches, and what lies above it is clipped.
#
# Seen: one ReLU and weights of 1, so that the network returns its input, if it is positive. The same 1,000 calibration
# samples, whose maximum is 4.1, in batches of 1,000, 100, 10 and 1. The converted network, 200 steps long, answers 3
# by 2.99, 2.99, 1.84 and 0.63, and in the last case 1 by 0.63 as well.
#
# Why it matters: who calibrates with small batches, or one sample at a time, gets a network that saturates far below
# the activations of its data. It looks like a loss by conversion, and longer runs, the usual remedy, change nothing.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 torch==2.13.0 spikingjelly==2.0.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - 2>run.log <<'PY' || { rc=$?; tail -n 5 run.log; exit $rc; }
import sys
from importlib.metadata import version

import torch
from spikingjelly.activation_based.ann2snn import Converter
from spikingjelly.activation_based.ann2snn.recipes import RateCodingRecipe
from torch import nn

print(*(f"{name} {version(name)}" for name in ("spikingjelly", "torch")))
torch.manual_seed(0)
torch.set_grad_enabled(False)
STEPS = 200
samples = torch.randn(1000, 1).abs()
probes = torch.tensor([[0.5], [1.0], [2.0], [3.0]])

def network():
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU(), nn.Linear(1, 1, bias=False))
    for layer in (net[0], net[2]):
        nn.init.ones_(layer.weight)
    return net

expected = network()(probes).flatten().tolist()
print(f"1,000 samples, largest activation {network()[:2](samples).max():.2f}; answers expected: {expected}")
seen = {}
for size in (1000, 100, 10, 1):
    recipe = RateCodingRecipe(dataloader=samples.split(size), mode="Max")
    converted = Converter(recipe).convert(network())
    seen[size] = (sum(converted(probes) for _ in range(STEPS)) / STEPS).flatten().tolist()
    print(f"  calibrated in batches of {size}: {[round(answer, 2) for answer in seen[size]]}")

def wrong(size):
    return [abs(answer - right) > 0.1 for answer, right in zip(seen[size], expected)]

if wrong(1000) != [False] * 4 or wrong(10) != [False, False, True, True] or wrong(1) != [False, True, True, True]:
    print("changed: what is clipped no longer depends on the size of the batches in this way")
    sys.exit(1)
print("as stated")
PY
