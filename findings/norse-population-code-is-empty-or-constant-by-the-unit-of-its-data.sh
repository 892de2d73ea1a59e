#!/usr/bin/env bash
# Version: norse 1.1.0, torch 2.13.0.
#
# Behaviour: `population_encode` spreads the centres of its neurons from 0 to `scale`, by default the greatest input, and
# then multiplies squared distances by `scale`, where dividing by its square would keep the shape of the curves. The
# unit of the data decides: the curves of values up to 255 are so narrow that nothing between two centres is seen, those
# of values up to 0.01 so wide that all neurons answer alike.
#
# Seen: five values at the same places of their range, 11 neurons. In a range up to 1 the strongest answer to each is
# above 0.99. Up to 10, values between two centres have 0.64 and 0.45; up to 255 all answers to them are 0, all 11
# neurons. Up to 0.01 all neurons answer all values by 1.000.
#
# Why it matters: pixels from 0 to 255, voltages in mV or times in s are encoded as they come. The code is empty or
# constant, nothing is raised, and a network behind it has nothing to learn from. Data divided by its maximum is right.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 norse==1.1.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import torch
from norse.torch.functional.encode import population_encode

print(*(f"{name} {version(name)}" for name in ("norse", "torch")))
PLACES, NEURONS = torch.tensor([0.0, 0.13, 0.5, 0.86, 1.0]), 11

codes = {top: population_encode(PLACES * top, NEURONS) for top in (0.01, 1.0, 10.0, 255.0)}
for top, code in codes.items():
    strongest = [round(value, 3) for value in code.max(1).values.tolist()]
    print(f"values up to {top}: expected answers as up to 1.0, seen as strongest {strongest}, weakest {code.min():.3f}")

between = codes[255.0][[1, 3]]
if codes[1.0].max(1).values.min() < 0.99 or codes[1.0].min() > 0.7:
    sys.exit("changed: the code of values up to 1 is another one")
if between.any() or not 0.4 < codes[10.0][[1, 3]].max(1).values.min() < 0.7:
    sys.exit("changed: large values between two centres are seen")
if codes[0.01].min() < 0.999:
    sys.exit("changed: small values are told apart")
print("as stated")
PY
