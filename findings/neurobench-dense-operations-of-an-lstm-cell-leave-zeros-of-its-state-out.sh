#!/usr/bin/env bash
# Version: neurobench 2.3.0, torch 2.13.0.
#
# Behaviour: `SynapticOperations` reports effective operations, those with inputs and weights other than 0, and
# "Dense", "the average total synaptic operations per sample", for which inputs and states are set to 1. An LSTM cell
# has its two states in a tuple of their own, and in there zeros stay zeros: what the hidden state multiplies is
# missing from the dense count wherever the state is 0. The states of RNN and GRU cells are filled.
#
# Seen: a cell with 3 inputs and 5 hidden units, one step. The hidden state is 0, as at the beginning of each sequence,
# or 1. An LSTM cell has 4 * 5 * (3 + 5) = 160 synaptic operations and, as NeuroBench counts, 15 of its products.
# Reported as dense are 70 from zeros, equal to the effective ones, and 175 from ones. An RNN cell has 40 in both.
#
# Why it matters: dense operations are a property of the network, and the ratio of both is the saving by sparsity. For
# LSTM cells the total depends on the data: short sequences look cheap, and states that are silent save nothing.
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
from neurobench.metrics.workload import SynapticOperations
from neurobench.models import TorchModel
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

print(*(f"{name} {version(name)}" for name in ("neurobench", "torch")))
torch.set_grad_enabled(False)
INPUTS, HIDDEN = 3, 5
loader = DataLoader(TensorDataset(torch.rand(8, INPUTS) + 0.1, torch.zeros(8, HIDDEN)), batch_size=4)

class OneStep(nn.Module):
    def __init__(self, cell, value):
        super().__init__()
        self.cell, self.value = cell(INPUTS, HIDDEN), value

    def forward(self, x):
        state = torch.full((len(x), HIDDEN), self.value)
        if isinstance(self.cell, nn.LSTMCell):
            return self.cell(x, (state, state.clone()))[0]
        return self.cell(x, state)

seen = {}
for cell in (nn.RNNCell, nn.GRUCell, nn.LSTMCell):
    for value in (0.0, 1.0):
        model = TorchModel(OneStep(cell, value))
        result = Benchmark(model, loader, [], [], [[], [SynapticOperations]]).run(quiet=True)["SynapticOperations"]
        seen[cell, value] = result["Dense"]
        print(f"{cell.__name__} from a state of {value}: dense {result['Dense']:.0f}, effective "
              f"{result['Effective_MACs']:.0f}")
    print(f"  expected the same dense operations for both, seen {seen[cell, 0.0]:.0f} and {seen[cell, 1.0]:.0f}")

weights = 4 * HIDDEN * (INPUTS + HIDDEN)
if seen[nn.RNNCell, 0.0] != HIDDEN * (INPUTS + HIDDEN) or any(
        seen[cell, 0.0] != seen[cell, 1.0] for cell in (nn.RNNCell, nn.GRUCell)):
    sys.exit("changed: RNN and GRU cells no longer have the same dense operations from both states")
if seen[nn.LSTMCell, 1.0] != weights + 3 * HIDDEN or seen[nn.LSTMCell, 0.0] != 4 * HIDDEN * INPUTS + 2 * HIDDEN:
    sys.exit("changed: the dense operations of an LSTM cell are others")
print("as stated")
PY
