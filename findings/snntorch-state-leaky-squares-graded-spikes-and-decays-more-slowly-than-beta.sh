#!/usr/bin/env bash
# Version: snntorch 1.0.0, torch 2.13.0.
#
# Behaviour: `StateLeaky(beta)` and `LinearLeaky(beta)` compute a whole sequence at once. Spikes are multiplied by
# `graded_spikes_factor` where they are made and once more where they are returned: by its square. And the membrane
# decays by exp(-(1 - beta)) a step, from tau = 1 / (1 - beta), in place of by `beta`, "membrane potential decay rate":
# always more slowly, and at least by 0.37 even for a beta of 0. The property `beta` gives the value that was set.
#
# Seen: graded_spikes_factor of 2: `Leaky` answers a strong input with 2, the two others with 4. A membrane of 0.8
# without reset after three more steps: for beta 0.9, 0.5 and 0 expected, as of `Leaky`, 0.583, 0.1 and 0, seen 0.593,
# 0.179 and 0.040.
#
# Why it matters: whoever exchanges `Leaky` for the fast classes gets other spikes and longer memory, more so the
# shorter it was meant to be; a learned factor counts twice. Shapes are right and nothing is raised.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 snntorch==1.0.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import math
import sys
from importlib.metadata import version

import snntorch
import torch

print(*(f"{name} {version(name)}" for name in ("snntorch", "torch")))
torch.set_grad_enabled(False)

def layers(beta, **arguments):
    """Return the two layers, both with one neuron and a weight of 1."""
    state = snntorch.StateLeaky(beta=beta, channels=1, **arguments)
    linear = snntorch.LinearLeaky(beta=beta, in_features=1, out_features=1, bias=False, **arguments)
    linear.linear.weight.fill_(1.0)
    return {"StateLeaky": state, "LinearLeaky": linear}

FACTOR, strong = 2.0, torch.full((1, 1, 1), 5.0)
leaky = snntorch.Leaky(beta=0.9, graded_spikes_factor=FACTOR)(strong[0])[0].item()
graded = {name: layer(strong)[0].item() for name, layer in layers(0.9, graded_spikes_factor=FACTOR).items()}
print(f"factor {FACTOR}: expected spikes of {FACTOR}, seen Leaky {leaky}, {graded}")

pulse = torch.tensor([0.8, 0.0, 0.0, 0.0]).reshape(4, 1, 1)
decays = {}
for beta in (0.9, 0.5, 0.0):
    neuron, mem = snntorch.Leaky(beta=beta), None
    for step in pulse:
        _, mem = neuron(step, mem)
    expected = 0.8 * beta**3
    decays[beta] = {name: layer(pulse)[1][-1].item() for name, layer in layers(beta).items()}
    rounded = {name: round(value, 3) for name, value in decays[beta].items()}
    print(f"beta {beta}: expected {expected:.3f}, seen Leaky {mem.item():.3f}, {rounded}")
    if not math.isclose(mem.item(), expected, abs_tol=1e-6):
        sys.exit("changed: Leaky no longer decays by beta")

if leaky != FACTOR or set(graded.values()) != {FACTOR**2}:
    sys.exit("changed: graded spikes are no longer squared")
for beta, values in decays.items():
    if not all(math.isclose(value, 0.8 * math.exp(-3 * (1 - beta)), abs_tol=1e-5) for value in values.values()):
        sys.exit("changed: the membrane no longer decays by exp(-(1 - beta))")
print("as stated")
PY
