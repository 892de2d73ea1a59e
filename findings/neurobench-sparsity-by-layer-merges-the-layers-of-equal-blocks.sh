#!/usr/bin/env bash
# Version: neurobench 2.3.0, torch 2.13.0.
#
# Behaviour: `ActivationSparsityByLayer`, "layer-wise", keeps its counts by the name that a layer has in its own block.
# Layers of the same name in different blocks are added up to one entry, whose name says nothing of it. And it never
# says whether it needs hooks: alone, or first in the list of metrics, `Benchmark` raises an AttributeError; behind a
# metric that does need them, such as `ActivationSparsity`, nobody asks.
#
# Seen: two blocks of a Linear layer and a ReLU; in the first each unit is active, in the second none. Expected are two
# layers with sparsities of 0 and 1, seen is one, named "1", with 0.5. Without blocks there are two, with 0 and 1.
#
# Why it matters: residual and convolutional networks are made of equal blocks with equal names. A stage that is dead
# vanishes in a mean over all, and that is what one looks for layer by layer.
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
from neurobench.metrics.workload import ActivationSparsity, ActivationSparsityByLayer
from neurobench.models import TorchModel
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

print(*(f"{name} {version(name)}" for name in ("neurobench", "torch")))
torch.set_grad_enabled(False)
loader = DataLoader(TensorDataset(torch.rand(8, 5), torch.zeros(8, 5)), batch_size=4)

def layers():
    """Return the four layers; the biases make each unit of the first ReLU active and none of the second."""
    made = nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU()
    made[0].bias.fill_(10.0)
    made[2].bias.fill_(-1000.0)
    return made

def sparsity(model):
    metrics = [[], [ActivationSparsity, ActivationSparsityByLayer]]
    return Benchmark(TorchModel(model), loader, [], [], metrics).run(quiet=True)["ActivationSparsityByLayer"]

first, second, third, fourth = layers()
blocks = sparsity(nn.Sequential(nn.Sequential(first, second), nn.Sequential(third, fourth)))
flat = sparsity(nn.Sequential(*layers()))
print(f"without blocks: expected two layers with 0 and 1, seen {flat}")
print(f"two blocks: expected two layers with 0 and 1, seen {blocks}")
try:
    Benchmark(TorchModel(nn.Sequential(*layers())), loader, [], [], [[], [ActivationSparsityByLayer]])
except AttributeError as error:
    print(f"as the only metric: {error}")
else:
    sys.exit("changed: the metric runs by itself")

if flat != {"1": 0.0, "3": 1.0}:
    sys.exit("changed: layers without blocks have other sparsities")
if blocks != {"1": 0.5}:
    sys.exit("changed: layers of two blocks are no longer one entry")
print("as stated")
PY
