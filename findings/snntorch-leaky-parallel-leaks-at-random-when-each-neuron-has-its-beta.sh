#!/usr/bin/env bash
# Version: snntorch 1.0.0, torch 2.13.0.
#
# Behaviour: LeakyParallel takes `beta`, the decay of the membrane, as one number or one for each neuron, and
# keeps it in the recurrent weights of an RNN. One number arrives there. Values for each neuron do not: the branch
# that would copy them is reached by values alone that are no tensor, which have become one by then. The neurons
# keep the RNN's random initial weights, negative ones among them.
#
# Seen: beta from 0.5 to 0.95 for four neurons, five seeds: each seed has other decays, none of them those given,
# and some below 0. `neuron.beta` shows the values that were given.
#
# Why it matters: neurons with several time constants are what the argument is for; the network runs, trains,
# and leaks by chance. A membrane with a negative weight alternates in place of decaying.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 snntorch==1.0.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import snntorch
import torch

print("snntorch", version("snntorch"), "torch", torch.__version__)

def decays(beta, seed):
    torch.manual_seed(seed)
    neuron = snntorch.LeakyParallel(input_size=4, hidden_size=4, beta=beta)
    return neuron.rnn.weight_hh_l0.detach().diag()

given = torch.tensor([0.5, 0.7, 0.9, 0.95])
one = decays(0.9, 0)
print(f"one beta, 0.9: seen {one.tolist()}")
seen = torch.stack([decays(given, seed) for seed in range(5)])
for row in seen:
    print(f"expected {[round(v, 2) for v in given.tolist()]}, seen {[round(v, 2) for v in row.tolist()]}")

if not torch.allclose(one, torch.tensor(0.9)):
    sys.exit("changed: one beta does not arrive")
if torch.isclose(seen, given).any() or not (seen < 0).any() or torch.allclose(seen[0], seen[1]):
    sys.exit("changed: values for each neuron arrive, or are not random")
print("as stated")
PY
