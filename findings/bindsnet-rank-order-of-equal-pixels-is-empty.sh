#!/usr/bin/env bash
# Version: bindsnet 0.3.4, torch 2.13.0. The encoders' file is run by itself, without the rest of the package, whose
# requirements are large and have no part in it.
#
# Behaviour: `bindsnet.encoding.rank_order` promises "One spike per neuron, temporally ordered by decreasing
# intensity". The times are 1 / intensity, stretched so that the latest is at the end of the time, and a spike at
# the end is left out. The weakest inputs thus never fire; where all are equally strong, all are the weakest.
# Moreover the times are no ranks: a single faint input presses all others together.
#
# Seen: 100 steps. An image of ten pixels of 1 on black gives no spike at all, where ten are promised. Intensities
# of 1, 0.75, 0.5 and 0.25 give three spikes, the last neuron is silent. With a fifth of 0.001 in the image the four
# fire in the first step, all together: their order is gone.
#
# Why it matters: binary images, thresholded digits and masks, are nothing to the network; of others the faint
# pixels are missing; an image with noise near zero has no order. No error is raised.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
{ venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 && venv/bin/pip install -q --no-compile --no-deps bindsnet==0.3.4; } \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import distribution, version
from importlib.util import module_from_spec, spec_from_file_location

import torch

print(*(f"{name} {version(name)}" for name in ("bindsnet", "torch")))
path = distribution("bindsnet").locate_file("bindsnet/encoding/encodings.py")
spec = spec_from_file_location("encodings", path)
encodings = module_from_spec(spec)
spec.loader.exec_module(encodings)

def times(intensities):
    """Return the step of each neuron's spike, None where there is none."""
    spikes = encodings.rank_order(torch.tensor(intensities), time=100)
    assert spikes.shape == (100, len(intensities)) and spikes.sum(0).max() <= 1
    return [train.nonzero().item() if train.any() else None for train in spikes.T]

images = {
    "ten pixels of 1 on black": [0.0] * 10 + [1.0] * 10,
    "four intensities": [1.0, 0.75, 0.5, 0.25],
    "and a faint one": [1.0, 0.75, 0.5, 0.25, 0.001],
}
seen = {}
for name, intensities in images.items():
    seen[name] = times(intensities)
    lit = sum(value > 0 for value in intensities)
    print(f"{name}: {lit} spikes expected, {sum(t is not None for t in seen[name])} seen, at steps {seen[name]}")

binary, four, faint = seen.values()
if any(t is not None for t in binary):
    sys.exit("changed: equal pixels fire")
if four[3] is not None or None in four[:3] or not four[0] < four[1] < four[2]:
    sys.exit("changed: the weakest of several intensities fires")
if faint[4] is not None or set(faint[:4]) != {0}:
    sys.exit("changed: a faint input leaves the order of the others")
print("as stated")
PY
