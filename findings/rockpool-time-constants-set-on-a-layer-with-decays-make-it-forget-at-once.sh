#!/usr/bin/env bash
# Version: rockpool 3.1.0, torch 2.13.0.
#
# Behaviour: the parameters of a LIFTorch layer are time constants, decays or bit shifts, as `leak_mode` says; the
# other two can be read and set, by conversion. In a layer of bit shifts what is set is converted right. In a layer of
# decays a time constant goes through the conversion from decay to time constant, the wrong way, and a bit shift gives
# nan. In a layer of time constants, the default, decays and bit shifts go wrong alike. What was set is kept beside
# the parameter, and is what one reads afterwards.
#
# Seen: dt 1 ms. tau_mem of 20 ms, a decay of 0.951, leaves a decay of 0.00026 in a layer of decays; a bit shift of 3,
# a decay of 0.875, leaves nan there, and 0.9999 in a layer of time constants. A decay of 0.9, a time constant of
# 9.5 ms, leaves one of 0.999 s as the parameter of the latter. Each is read back as it was set.
#
# Why it matters: who moves trained time constants into a layer with the decays of a chip gets neurons without a
# memory, and a look at the layer confirms the values that were meant.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 scipy==1.17.1 torch==2.13.0 rockpool==3.1.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import math
import sys
from importlib.metadata import version

import torch
from rockpool.nn.modules import LIFTorch

print(*(f"{name} {version(name)}" for name in ("rockpool", "torch")))
torch.set_grad_enabled(False)
DT = 1e-3
TO_DECAY = {"tau_mem": lambda tau: math.exp(-DT / tau), "alpha": lambda alpha: alpha,
            "dash_mem": lambda dash: 1 - 2**-dash}
PARAMETER = {"taus": "tau_mem", "decays": "alpha", "bitshifts": "dash_mem"}

right = {}
for mode, parameter in PARAMETER.items():
    for name, value in (("tau_mem", 0.02), ("alpha", 0.9), ("dash_mem", 3.0)):
        layer = LIFTorch(1, leak_mode=mode, dt=DT)
        setattr(layer, name, torch.tensor([value]))
        read, kept = getattr(layer, name).item(), dict(layer.named_parameters())[parameter].item()
        expected, decay = TO_DECAY[name](value), TO_DECAY[parameter](kept)
        right[mode, name] = math.isclose(expected, decay, rel_tol=1e-4)
        print(f"layer of {mode}, {name} set to {value}, read as {read:.3f}: expected a decay of {expected:.5f}, "
              f"the parameter {parameter} is {kept:.5f}, a decay of {decay:.5f}")
        if not math.isclose(read, value, rel_tol=1e-4):
            sys.exit("changed: what was set is no longer read back")

if {key for key, value in right.items() if not value} != {("taus", "alpha"), ("taus", "dash_mem"),
                                                           ("decays", "tau_mem"), ("decays", "dash_mem")}:
    sys.exit(f"changed: other conversions are right: {right}")
print("as stated")
PY
