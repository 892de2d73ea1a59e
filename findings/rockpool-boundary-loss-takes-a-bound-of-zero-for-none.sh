#!/usr/bin/env bash
# Version: rockpool 3.1.0, torch 2.13.0.
#
# Behaviour: `summed_exp_boundary_loss(data, lower_bound, upper_bound)` adds exp(excess) for every value beyond a
# bound; a bound that is None is not penalized. Bounds are tested for their truth, not for None: a bound of 0 is
# taken for none. `ParameterBoundaryRegularizer` does the same.
#
# Seen: the values -1, -2 and 0.5 with a lower bound of 0 should cost exp(1) + exp(2) = 10.107. The cost is the number
# 0.0, without a gradient; with a lower bound of 1e-9 it is 10.107. Upper bounds are alike.
#
# Why it matters: 0 is the bound that time constants, thresholds and the weights of excitatory synapses need most.
# The term is in the loss, costs nothing and holds nothing back.
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
from rockpool.training.torch_loss import ParameterBoundaryRegularizer, summed_exp_boundary_loss

print(*(f"{name} {version(name)}" for name in ("rockpool", "torch")))
values = torch.tensor([-1.0, -2.0, 0.5])
expected = math.exp(1) + math.exp(2)

seen = {bound: (float(summed_exp_boundary_loss(values, lower_bound=bound)),
                float(summed_exp_boundary_loss(-values, upper_bound=-bound)),
                float(ParameterBoundaryRegularizer(lower_bound=bound).forward(values))) for bound in (0.0, 1e-9)}
for bound, costs in seen.items():
    print(f"bound {bound}: expected {expected:.3f}; seen {costs[0]:.3f} (lower), {costs[1]:.3f} (upper), "
          f"{costs[2]:.3f} (regularizer)")

if not all(math.isclose(cost, expected, abs_tol=1e-4) for cost in seen[1e-9]):
    sys.exit("changed: a bound of 1e-9 no longer costs what is expected")
if seen[0.0] != (0.0, 0.0, 0.0):
    sys.exit("changed: a bound of 0 is no longer taken for none")
print("as stated")
PY
