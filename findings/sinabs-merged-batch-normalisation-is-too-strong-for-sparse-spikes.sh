#!/usr/bin/env bash
# Version: sinabs 3.1.3, torch 2.13.0.
#
# Behaviour: a network for DYNAP-CNN or Speck has its batch normalisations merged into the weights before them, by
# `merge_bn`. A batch normalisation divides by the root of variance + eps; `merge_bn` leaves eps (1e-5 as a rule) out.
# Sparse spikes and small weights have variances of that size: weights and biases become too large. Where all weights
# of a channel are 0, the variance is 0 and the bias not a number.
#
# Seen: a convolution without a bias, its batch normalisation and inputs of spikes. With a spike at half of the pixels
# the merged layer differs by 0.1 % of the largest output, as much as one would not notice. With 1 pixel of 100 it is
# 2 %, with 1 of 1,000 20 %, as sqrt(1 + eps / variance) says. With weights that are 0 the outputs are not numbers.
#
# `merge_bn` is imported without the package around it, which asks for samna, the driver of the chips.
#
# Why it matters: event cameras give one pixel of a hundred or fewer, and a network that was right before its conversion
# fires more on the chip. Of channels that were pruned away, one is enough to make a network's answer not a number.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 sinabs==3.1.3 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
import types
from importlib.metadata import version
from pathlib import Path

import sinabs.backend
import torch
from torch import nn

package = types.ModuleType("sinabs.backend.dynapcnn")  # its __init__ asks for samna
package.__path__ = [str(Path(sinabs.backend.__path__[0]) / "dynapcnn")]
sys.modules[package.__name__] = package
from sinabs.backend.dynapcnn.utils import merge_bn  # noqa: E402

print(*(f"{name} {version(name)}" for name in ("sinabs", "torch")))
torch.set_grad_enabled(False)

def layers(share, scale=0.3):
    """A convolution, its batch normalisation after 100 batches, and an input, with a share of active pixels."""
    torch.manual_seed(0)
    convolution, norm = nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4)
    convolution.weight.data *= scale
    norm.running_var.zero_()
    norm.momentum = None  # the plain average over all batches
    for _ in range(100):
        norm(convolution((torch.rand(20, 2, 16, 16) < share).float()))
    return convolution, norm.eval(), (torch.rand(20, 2, 16, 16) < share).float()

errors, by_definition = {}, {}
for share in (0.5, 0.01, 0.001):
    convolution, norm, stimulus = layers(share)
    asked, merged = norm(convolution(stimulus)), merge_bn(convolution, norm)
    errors[share] = float((merged(stimulus) - asked).abs().max() / asked.abs().max())
    size = (norm.weight / (norm.running_var + norm.eps).sqrt())[:, None, None, None]
    right = nn.functional.conv2d(stimulus, convolution.weight * size,
                                 norm.bias - norm.running_mean * size.flatten())
    by_definition[share] = float((right - asked).abs().max() / asked.abs().max())
    print(f"{share:.1%} of pixels active, variances about {float(norm.running_var.mean()):.1e}: expected an error of",
          f"{by_definition[share]:.4%} as with eps, seen {errors[share]:.1%}")

convolution, norm, stimulus = layers(0.5, scale=0)
asked, dead = norm(convolution(stimulus)), merge_bn(convolution, norm)(stimulus)
print(f"channels whose weights are 0: expected {float(asked.abs().max())}, seen {float(dead.flatten()[0])}")

if any(error > 1e-4 for error in by_definition.values()):
    sys.exit("changed: weights divided with eps no longer give the outputs of the batch normalisation")
if not (errors[0.5] < 0.005 and 0.01 < errors[0.01] < 0.04 and 0.05 < errors[0.001] < 0.4):
    sys.exit("changed: the errors of merged layers")
if float(asked.abs().max()) or not bool(dead.isnan().all()):
    sys.exit("changed: a channel without variance")
print("as stated")
PY
