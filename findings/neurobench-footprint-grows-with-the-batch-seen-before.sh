#!/usr/bin/env bash
# Version: neurobench 2.3.0, snntorch 1.0.0, torch 2.13.0.
#
# Behaviour: `Footprint`, a static metric, "counts the memory footprint of a model": its parameters and its buffers.
# snnTorch's neurons keep the membranes of the last batch as buffers. The footprint of a spiking network is thus
# that of its weights and of whatever batch it has seen last, in training or in the run before.
#
# Seen: a network of 58 parameters (232 bytes) and 10 neurons. New, its footprint is 272 bytes. Run a second time,
# the same benchmark reports 4272 bytes with batches of 100, and 672 with batches of 10.
#
# Why it matters: footprints are compared between models and with published ones. After training with batches of
# 128, the states of a small network outweigh its weights, and two evaluations of one model disagree.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 torchvision==0.28.0 numpy==2.4.6 snntorch==1.0.0 neurobench==2.3.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import snntorch as snn
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.static import Footprint, ParameterCount
from neurobench.models import SNNTorchModel
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

print(*(f"{name} {version(name)}" for name in ("neurobench", "snntorch", "torch")))
torch.set_grad_enabled(False)
data = TensorDataset(torch.ones(100, 5, 4), torch.zeros(100))

def twice(batch_size):
    net = nn.Sequential(
        nn.Linear(4, 8), snn.Leaky(beta=0.9, init_hidden=True),
        nn.Linear(8, 2), snn.Leaky(beta=0.9, init_hidden=True, output=True),
    )
    benchmark = Benchmark(
        SNNTorchModel(net), DataLoader(data, batch_size), [], [], [[Footprint, ParameterCount], []]
    )
    return [benchmark.run(quiet=True) for _ in range(2)]

grown = {}
for batch_size in (10, 100):
    first, second = twice(batch_size)
    grown[batch_size] = second["Footprint"] - first["Footprint"]
    print(f"batches of {batch_size}: {first['ParameterCount']} parameters, footprint {first['Footprint']} bytes; "
          f"run again {second['Footprint']} bytes")

states = {size: size * 10 * 4 for size in grown}  # float32 membranes of 10 neurons
if grown != states:
    sys.exit("changed: the footprint no longer grows by the membranes of the last batch")
print("as stated")
PY
