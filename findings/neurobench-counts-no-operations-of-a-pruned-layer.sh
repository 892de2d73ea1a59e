#!/usr/bin/env bash
# Version: neurobench 2.3.0, torch 2.13.0.
#
# Behaviour: `SynapticOperations` counts with a copy of each layer in which every weight that is not zero is 1: what
# comes out for inputs of 0 and 1 is the number of operations. PyTorch's pruning computes a layer's weights anew
# before each call, from the original ones and a mask, and does so in the copy as well. The ones are gone; what is
# counted is the sum of the real weights, cut to a whole number. The count of dense operations goes the same way.
#
# Seen: a layer of 100 inputs and 50 outputs, all inputs 1, the half of its weights pruned: there are 2500
# operations, 5000 dense ones. Reported are -6 and -6, and with weights all of one sign (-100 times their size)
# -18656 of both. After `prune.remove` both counts are right. `ConnectionSparsity` is right in each case.
#
# Why it matters: fewer operations are what a network is pruned for, and this metric is there to show it. A pruned
# network looks as if it cost nothing. Without `torch.no_grad()` the metric prints an error and its result is 0.
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
from neurobench.metrics.static import ConnectionSparsity
from neurobench.metrics.workload import SynapticOperations
from neurobench.models import TorchModel
from torch import nn
from torch.nn.utils import prune
from torch.utils.data import DataLoader, TensorDataset

print(*(f"{name} {version(name)}" for name in ("neurobench", "torch")))
torch.manual_seed(0)
loader = DataLoader(TensorDataset(torch.ones(10, 100), torch.zeros(10)), batch_size=10)

def count(model):
    with torch.no_grad():
        metrics = [[ConnectionSparsity], [SynapticOperations]]
        result = Benchmark(TorchModel(model), loader, [], [], metrics).run(quiet=True)
    operations = result["SynapticOperations"]
    return result["ConnectionSparsity"], operations["Effective_ACs"], operations["Dense"]

def show(name, model, expected):
    seen = count(model)
    print(f"{name}: sparsity {seen[0]}; expected {expected[0]} operations and {expected[1]} dense ones, "
          f"seen {seen[1]:.0f} and {seen[2]:.0f}")
    return seen[1:]

model = nn.Sequential(nn.Linear(100, 50))
whole = show("before pruning", model, (5000, 5000))
prune.l1_unstructured(model[0], "weight", amount=0.5)
pruned = show("pruned", model, (2500, 5000))
with torch.no_grad():
    model[0].weight_orig.abs_().mul_(-100)
negative = show("pruned, weights of -100 times their size", model, (2500, 5000))
prune.remove(model[0], "weight")
removed = show("after prune.remove", model, (2500, 5000))

if whole != (5000, 5000) or removed != (2500, 5000):
    sys.exit("changed: NeuroBench no longer counts right without pruning hooks")
if max(map(abs, pruned)) > 50 or max(negative) > -1000:
    sys.exit("changed: NeuroBench counts the operations of a pruned layer in another way")
print("as stated")
PY
