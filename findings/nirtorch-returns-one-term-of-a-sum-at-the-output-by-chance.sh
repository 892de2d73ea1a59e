#!/usr/bin/env bash
# Versions: spikingjelly 2.0.0, snntorch 1.0.0, nirtorch 2.6, nir 1.0.8, torch 2.13.0.
#
# Behaviour: the input of a NIR node is the sum of what its edges bring. `nirtorch.nir_to_torch`, with which
# SpikingJelly and snnTorch read NIR, adds edges up for each node but the last: where several end at the output, the
# network returns their values one by one and then the state, in place of "(output, state)". Their order is that of a
# set of names, which Python shuffles in each process.
#
# Seen: a network that ends in the sum of two layers, 1 and 10 for an input of 1. Before it is written it gives 11. Read
# by SpikingJelly or snnTorch it gives three values in place of two, and `network(x)[0]`, the output, is 1 in some
# processes and 10 in others (four processes with the hash seeds 0 to 3). With one more layer behind the sum both
# give 11 in all of them.
#
# Why it matters: a residual connection up to the last layer, or two readouts that are added up, is enough. Whoever
# indexes the result has one term of it, and another one in the next run, with the same file, weights and seeds.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 nir==1.0.8 nirtorch==2.6 snntorch==1.0.0 \
    spikingjelly==2.0.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

cat >read.py <<'PY'
import contextlib
import io
import json
import logging

import torch
from snntorch.import_nir import import_from_nir as to_snntorch
from spikingjelly.activation_based.nir_exchange import import_from_nir as to_spikingjelly
import nir

logging.disable(logging.INFO)
seen = {}
for name in ("sum", "layer"):
    for library, read in (("SpikingJelly", to_spikingjelly), ("snnTorch", to_snntorch)):
        with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            values = read(nir.read(f"{name}.nir"))(torch.ones(1, 1))
        seen[f"{library}, {name}"] = len(values), values[0].item()
print(json.dumps(seen))
PY

venv/bin/python -W ignore - <<'PY'
import json
import logging
import os
import subprocess
import sys
from importlib.metadata import version

import torch
from spikingjelly.activation_based.nir_exchange import export_to_nir
from torch import nn

print(*(f"{name} {version(name)}" for name in ("spikingjelly", "snntorch", "nirtorch", "nir", "torch")))
logging.disable(logging.INFO)
SEEDS = range(4)

class Sum(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.first, self.second = (nn.Linear(1, 1, bias=False) for _ in range(2))
        self.last = nn.Linear(1, 1, bias=False) if last else None
        for layer, weight in ((self.first, 1.0), (self.second, 10.0), (self.last, 1.0)):
            if layer is not None:
                layer.weight.data.fill_(weight)

    def forward(self, x):
        x = self.first(x) + self.second(x)
        return x if self.last is None else self.last(x)

for name, last in (("sum", False), ("layer", True)):
    network = Sum(last)
    export_to_nir(network, torch.ones(1, 1), save_path=f"{name}.nir")
    expected = network(torch.ones(1, 1)).item()
    print(f"network that ends in a {name}: expected {expected}")

runs = []
for seed in SEEDS:
    done = subprocess.run([sys.executable, "-W", "ignore", "read.py"], env=os.environ | {"PYTHONHASHSEED": str(seed)},
                          check=True, capture_output=True, text=True)
    runs.append(json.loads(done.stdout.splitlines()[-1]))
for case in runs[0]:
    lengths = sorted({run[case][0] for run in runs})
    print(f"{case}: values returned {lengths}, the first of them {[run[case][1] for run in runs]}")

for case in runs[0]:
    first = {run[case][1] for run in runs}
    if case.endswith("layer") and first != {11.0}:
        sys.exit("changed: with a layer behind the sum it is no longer right")
    if case.endswith("sum") and (first != {1.0, 10.0} or {run[case][0] for run in runs} != {3}):
        sys.exit("changed: the sum at the output is no longer returned in parts")
print("as stated")
PY
