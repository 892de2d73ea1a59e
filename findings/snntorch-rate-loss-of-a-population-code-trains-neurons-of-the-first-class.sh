#!/usr/bin/env bash
# Version: snntorch 1.0.0, torch 2.13.0.
#
# Behaviour: with `population_code=True` several output neurons stand for a class, one population after the other.
# ce_count_loss and the accuracy add up each population. ce_rate_loss takes the class as the number of a single
# neuron: for every class that is one of the first population, the one of class 0. Without `weight`, which is
# optional elsewhere, it fails with a TypeError.
#
# Seen: 20 outputs, 2 classes, a sample of class 1, whose neurons are 10 to 19. ce_count_loss raises these ten.
# ce_rate_loss raises neuron 1 alone, and lowers the ten.
#
# Why it matters: a network that is trained by it fires for class 0 whatever the class is, as its accuracy is
# counted; training seems to fail.
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

import snntorch.functional
import torch

print("snntorch", version("snntorch"), "torch", torch.__version__)

def raised(loss):
    """Return the output neurons of which more spikes lower the loss of a sample of class 1."""
    torch.manual_seed(0)
    spikes = torch.bernoulli(torch.full((10, 1, 20), 0.5)).requires_grad_()
    loss(spikes, torch.tensor([1])).backward()
    return (spikes.grad.sum(0)[0] < 0).nonzero().ravel().tolist()

functional, options = snntorch.functional, {"population_code": True, "num_classes": 2}
seen = {
    "ce_count_loss": raised(functional.ce_count_loss(**options)),
    "ce_rate_loss": raised(functional.ce_rate_loss(**options, weight=torch.ones(2))),
}
for name, neurons in seen.items():
    print(f"{name}: expected neurons 10 to 19, seen {neurons}")
try:
    raised(functional.ce_rate_loss(**options))
    fails = False
except TypeError as error:
    fails = True
    print(f"ce_rate_loss without weight: {type(error).__name__}: {error}")

if seen["ce_count_loss"] != list(range(10, 20)):
    sys.exit("changed: ce_count_loss no longer raises the population of the class")
if seen["ce_rate_loss"] != [1] or not fails:
    sys.exit("changed: ce_rate_loss no longer raises a single neuron, or works without weight")
print("as stated")
PY
