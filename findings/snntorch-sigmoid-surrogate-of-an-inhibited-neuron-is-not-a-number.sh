#!/usr/bin/env bash
# Version: snntorch 1.0.0, torch 2.13.0.
#
# Behaviour: `surrogate.sigmoid` has as its gradient k exp(-kU) / (1 + exp(-kU))^2, computed as it stands. With the
# default slope of 25 both exponentials pass the largest float once the membrane is 3.55 below the threshold, and their
# ratio is not a number, where it should be 0.
#
# Seen: a membrane of -2 has a gradient of 0, one of -3 nan. A network of 20, 50 and 2 neurons, one of the 50 inhibited
# to -3: after one step of SGD all weights of that neuron are nan, and through them all of the 20 before it. A membrane
# of nan does not fire, so that the loss is a number still.
#
# Why it matters: strong inhibition, or large weights at the beginning, is enough. Neurons die for good, whole layers of
# them, and neither an error nor the loss says so. Other surrogates of the library are not affected.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 snntorch==1.0.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import snntorch
import torch
from snntorch import surrogate
from torch import nn

print(*(f"{name} {version(name)}" for name in ("snntorch", "torch")))
torch.manual_seed(0)
SLOPE = 25

def gradient(membrane, spike_grad):
    current = torch.tensor([[membrane]], requires_grad=True)
    spikes, _ = snntorch.Leaky(beta=0.9, threshold=1.0, spike_grad=spike_grad)(current, torch.zeros(1, 1))
    return torch.autograd.grad(spikes.sum(), current)[0].item()

def expected(membrane):
    value = torch.sigmoid(torch.tensor(SLOPE * (membrane - 1.0), dtype=torch.float64))
    return (SLOPE * value * (1 - value)).item()

seen = {}
for membrane in (0.9, 1.1, -2.0, -3.0, 5.0):
    seen[membrane] = gradient(membrane, surrogate.sigmoid(slope=SLOPE))
    print(f"membrane {membrane}, threshold 1: expected {expected(membrane):.4f}, seen {seen[membrane]:.4f}, "
          f"fast_sigmoid {gradient(membrane, surrogate.fast_sigmoid(slope=SLOPE)):.4f}")

layers = nn.ModuleList([nn.Linear(10, 20), nn.Linear(20, 50), nn.Linear(50, 2)])
with torch.no_grad():
    layers[1].bias[7] = -4.0
optimizer = torch.optim.SGD(layers.parameters(), lr=0.01)
inputs, losses = torch.rand(16, 10), []
for _ in range(3):
    values = inputs
    for layer in layers[:2]:
        currents = layer(values)
        values, _ = snntorch.Leaky(beta=0.9, spike_grad=surrogate.sigmoid(slope=SLOPE))(
            currents, torch.zeros_like(currents))
    loss = (layers[2](values) - 1).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
broken = [int(torch.isnan(layer.weight).any(1).sum()) for layer in layers]
print(f"three steps of SGD, one neuron of 50 inhibited: losses {[round(loss, 3) for loss in losses]}, neurons whose "
      f"weights are nan: {broken[0]} of 20, {broken[1]} of 50, {broken[2]} of 2")

if any(abs(seen[membrane] - expected(membrane)) > 1e-3 for membrane in (0.9, 1.1, -2.0, 5.0)):
    sys.exit("changed: the gradient elsewhere is no longer the derivative of the sigmoid")
if seen[-3.0] == seen[-3.0] or broken[0] != 20 or losses[-1] != losses[-1]:
    sys.exit("changed: the gradient of an inhibited neuron is a number")
print("as stated")
PY
