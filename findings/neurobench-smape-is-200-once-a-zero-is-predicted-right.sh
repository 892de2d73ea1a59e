#!/usr/bin/env bash
# Version: neurobench 2.3.0, torch 2.13.0.
#
# Behaviour: the symmetric mean absolute percentage error is the mean of 200 |p - y| / (|p| + |y|), 0 for a perfect
# prediction and 200 at worst. A prediction of 0 where the target is 0 is 0 / 0, but right: an error of 0.
# NeuroBench takes the mean first and replaces it by 200 if it is not a number: one right prediction of zero gives
# its whole batch the worst value that there is.
#
# Seen: 100 targets, 0 to 99, all predicted exactly. In batches of 100 the error is 200, in batches of 50 it is 100,
# one at a time 2; with the targets 1 to 100 it is 0. It should be 0 for all.
#
# Why it matters: a spiking network without a spike answers exactly zero, and so does a signal at rest. A better
# model can have a worse error, and the error depends on the batch size.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 torchvision==0.28.0 numpy==2.4.6 snntorch==1.0.0 neurobench==2.3.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.workload import SMAPE
from neurobench.models import TorchModel
from torch.utils.data import DataLoader, TensorDataset

print(*(f"{name} {version(name)}" for name in ("neurobench", "torch")))

def error(first, batch_size):
    values = torch.arange(first, first + 100.0)[:, None]
    loader = DataLoader(TensorDataset(values, values), batch_size)
    result = Benchmark(TorchModel(torch.nn.Identity()), loader, [], [], [[], [SMAPE]]).run(quiet=True)
    return round(result["SMAPE"], 3)

seen = {}
for first, batch_size in ((1, 100), (0, 100), (0, 50), (0, 1)):
    seen[first, batch_size] = error(first, batch_size)
    print(f"targets {first} to {first + 99}, all predicted exactly, batches of {batch_size}: expected 0, "
          f"seen {seen[first, batch_size]:.0f}")

if seen != {(1, 100): 0, (0, 100): 200, (0, 50): 100, (0, 1): 2}:
    sys.exit("changed: a zero predicted right no longer costs its batch 200")
print("as stated")
PY
