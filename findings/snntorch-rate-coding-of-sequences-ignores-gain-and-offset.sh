#!/usr/bin/env bash
# Version: snntorch 1.0.0, torch 2.13.0.
#
# Behaviour: spikegen.rate draws spikes from features, scaled by `gain` and shifted by `offset`. For a sequence,
# `time_var_input=True`, both are ignored, without an error.
#
# Seen: a feature of 0.5, 4,000 time steps, gain 0.2 and offset 0.3: expected are rates of 0.1 and 0.8. Repeated by
# `num_steps` the feature has them; as a sequence it spikes at 0.5 with either.
#
# Why it matters: input that was meant to be sparse is five times as dense, and two experiments that differ in
# their gain alone are the same one.
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

import torch
from snntorch import spikegen

print("snntorch", version("snntorch"), "torch", torch.__version__)

STEPS, VALUE = 4000, 0.5
torch.manual_seed(0)
seen = {}
for name, options, expected in (("gain 0.2", {"gain": 0.2}, 0.1), ("offset 0.3", {"offset": 0.3}, 0.8)):
    repeated = spikegen.rate(torch.full((1, 1), VALUE), num_steps=STEPS, **options).mean().item()
    sequence = spikegen.rate(torch.full((STEPS, 1, 1), VALUE), time_var_input=True, **options).mean().item()
    print(f"{name}: expected a rate of {expected}, seen {repeated:.2f} by num_steps, {sequence:.2f} as a sequence")
    seen[name] = abs(repeated - expected) < 0.04, abs(sequence - VALUE) < 0.04

if not all(repeated for repeated, _ in seen.values()):
    sys.exit("changed: by num_steps the rate is another")
if not all(sequence for _, sequence in seen.values()):
    sys.exit("changed: a sequence is scaled or shifted")
print("as stated")
PY
