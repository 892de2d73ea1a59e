#!/usr/bin/env bash
# Version: bindsnet 0.3.4, torch 2.13.0. The encoders' file is run by itself, without the rest of the package, whose
# requirements are large and have no part in it.
#
# Behaviour: `bindsnet.encoding.bernoulli` and `rank_order`, and the encoders that call them, divide by the greatest
# intensity: in place, on a flat view of the tensor that they were given. The image itself is divided. `poisson`,
# `single` and `repeat` leave it alone.
#
# Seen: an image with rates from 10 to 100 Hz, for 1,000 steps of 1 ms. Encoded by `poisson` it gives about 350 spikes.
# Encoded once by `bernoulli` or `rank_order` its values are 0 to 1, and `poisson` then gives a single spike
# in all.
#
# Why it matters: images are kept in memory, as a data set or under NumPy, and encoded in each epoch. Comparing two
# encoders on the same data, or plotting an image after it was shown, compares something else; the order of calls
# decides. No error is raised.
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
torch.manual_seed(0)
STEPS = 1000
RATES = torch.tensor([[10.0, 20.0], [50.0, 70.0], [90.0, 10.0], [0.0, 100.0]])

seen = {}
for name in ("poisson", "single", "repeat", "bernoulli", "rank_order"):
    image = RATES.clone()
    before = int(encodings.poisson(image, time=STEPS).sum())
    getattr(encodings, name)(image, time=STEPS)
    after = int(encodings.poisson(image, time=STEPS).sum())
    seen[name] = torch.equal(image, RATES), before, after
    print(f"{name}: expected a maximum of 100.0 and about {RATES.sum():.0f} spikes, before {before}, "
          f"after it a maximum of {image.max():.1f} and {after} spikes")

for name, (same, before, after) in seen.items():
    kept = name not in ("bernoulli", "rank_order")
    if not 250 < before < 450 or (kept and not 250 < after < 450):
        sys.exit("changed: poisson no longer gives as many spikes as its rates say")
    if same != kept or (not kept and after > 20):
        sys.exit(f"changed: {name} leaves its input alone, or no longer does")
print("as stated")
PY
