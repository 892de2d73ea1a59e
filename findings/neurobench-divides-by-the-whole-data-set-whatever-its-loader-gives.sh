#!/usr/bin/env bash
# Version: neurobench 2.3.0, torch 2.13.0.
#
# Behaviour: metrics of a batch are summed up, weighted by the batch's size, and divided by
# `len(dataloader.dataset)`. A loader need not give the whole data set: with `drop_last=True` it leaves the last
# batch out, with a sampler it takes a part, or draws some samples more than once. Accuracy, activation sparsity,
# MSE and SMAPE are then divided by samples that were never seen, or by too few.
#
# Seen: a model that is right for all of 100 samples has an accuracy of 1. With batches of 32 and `drop_last=True`
# it has 0.96, with a sampler of 50 of them 0.5, with a balancing sampler that draws 150 times 1.5. Its predictions,
# off by 1, have a mean square error of 1, and of 0.5 with the sampler of 50.
#
# Why it matters: validation on a part by `SubsetRandomSampler` is common practice. Accuracies come out too low,
# errors too good, and sparsity, with which energy is estimated, too low; nothing but an accuracy above 1 shows it.
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
from neurobench.metrics.workload import MSE, ClassificationAccuracy
from neurobench.models import TorchModel
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset, WeightedRandomSampler

print(*(f"{name} {version(name)}" for name in ("neurobench", "torch")))
values = torch.arange(100.0)

def run(metric, targets, **options):
    loader = DataLoader(TensorDataset(values, targets), batch_size=32, **options)
    result = Benchmark(TorchModel(torch.nn.Identity()), loader, [], [], [[], [metric]]).run(quiet=True)
    return round(result[metric.__name__], 3)

loaders = {
    "the whole data set": {},
    "drop_last=True": {"drop_last": True},
    "a sampler of 50 of 100": {"sampler": SubsetRandomSampler(range(50))},
    "a weighted sampler of 150 draws": {"sampler": WeightedRandomSampler([1.0] * 100, 150)},
}
seen = {}
for name, options in loaders.items():
    seen[name] = run(ClassificationAccuracy, values, **options), run(MSE, values + 1, **options)
    print(f"{name}: accuracy expected 1, seen {seen[name][0]}; mean square error expected 1, seen {seen[name][1]}")

if seen["the whole data set"] != (1, 1):
    sys.exit("changed: the whole data set no longer gives the reference")
if list(seen.values())[1:] != [(0.96, 0.96), (0.5, 0.5), (1.5, 1.5)]:
    sys.exit("changed: NeuroBench no longer divides by the length of the data set")
print("as stated")
PY
