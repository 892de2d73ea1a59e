#!/usr/bin/env bash
# Version: sinabs 3.1.3, torch 2.13.0.
#
# Behaviour: before a network of ReLUs becomes a spiking one, `sinabs.utils.normalize_weights` scales it "such that
# the activity of each specified layer is normalized", after Rueckauer et al. (2017). There, and in any scaling that
# keeps a ReLU network's answers, a bias is divided by the scale of its own layer, a weight moreover multiplied by
# the scale of the layer before. sinabs normalises a layer, runs the data through the network so changed, and
# divides weights and biases of the next layer by what it sees then: its inputs are smaller already by the scale of
# the layer before, its biases are not. Each layer after the first gets biases too large for its weights.
#
# Seen: two ReLU layers of 16 with random weights and biases and an output without a bias (so that no scale can
# change the class), 500 samples. After normalisation by the maximum (percentile 100: nothing is cut off) the class
# is another one for a third of the samples. By the rule of the paper, and in sinabs where there are no biases, none
# changes.
#
# Why it matters: accuracy is lost before a single spike, and is then put down to spikes: to too few time steps, or
# to the threshold. The analog network with the normalised weights shows it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 sinabs==3.1.3 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import copy
import sys
from importlib.metadata import version

import torch
from sinabs.utils import normalize_weights
from torch import nn

print(*(f"{name} {version(name)}" for name in ("sinabs", "torch")))
torch.set_grad_enabled(False)
torch.manual_seed(0)
samples = torch.randn(500, 4)

def network(bias):
    layers = nn.Linear(4, 16, bias), nn.Linear(16, 16, bias), nn.Linear(16, 3, bias=False)
    for layer in layers:
        for parameter in layer.parameters():
            parameter *= 3
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])

def by_the_paper(model):
    first, second = model[:2](samples).max(), model[:4](samples).max()
    scaled = copy.deepcopy(model)
    scaled[0].weight /= first
    scaled[2].weight *= first / second
    if model[0].bias is not None:
        scaled[0].bias /= first
        scaled[2].bias /= second
    return scaled

def same_class(model, scaled):
    return (model(samples).argmax(1) == scaled(samples).argmax(1)).float().mean().item()

kept = {}
for bias in (False, True):
    model = network(bias)
    paper = by_the_paper(model)
    normalised = copy.deepcopy(model)
    normalize_weights(normalised, samples, ["1", "3"], ["0", "2"], percentile=100)
    for scaled in (paper, normalised):
        torch.testing.assert_close(scaled[:2](samples).max(), torch.tensor(1.0))
        torch.testing.assert_close(scaled[:4](samples).max(), torch.tensor(1.0))
    kept[bias] = same_class(model, paper), same_class(model, normalised)
    print(f"{'with' if bias else 'without'} biases: the class stays for {kept[bias][0]:.1%} of the samples by the rule "
          f"of the paper, for {kept[bias][1]:.1%} in sinabs")

if min(kept[True][0], *kept[False]) < 0.99:
    sys.exit("changed: the reference no longer keeps the classes")
if kept[True][1] > 0.9:
    sys.exit("changed: normalize_weights keeps the answers of a network with biases")
print("as stated")
PY
