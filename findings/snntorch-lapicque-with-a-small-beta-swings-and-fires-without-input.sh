#!/usr/bin/env bash
# Version: snntorch 1.0.0, torch 2.13.0.
#
# Behaviour: `Lapicque(beta)` takes "RC potential decay rate. Clipped between 0 and 1", with beta = exp(-1/RC) as its
# page says. The step uses another decay, 1 - 1/RC, which is 1 + ln(beta): near beta only where that is close to 1, 0
# at 0.37, negative below, and less than -1 below 0.135. The buffer `beta` still holds the value that was given.
#
# Seen: a membrane of 0.8, no input, no reset, three steps. Decay rates of 0.9, 0.5, 0.3 and 0.1 should leave 0.583,
# 0.1, 0.022 and 0.001. Seen are 0.573, 0.023, -0.007 and -1.768. With 0.1 the membrane changes its sign at each step
# and grows, and the neuron fires in every second step from the second on, with no input at all.
#
# Why it matters: `Leaky` with the same beta is what its page calls equivalent. A neuron that should forget within a
# step swings and fires by itself, and others leak faster than they were told. No error, no warning.
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
START, STEPS = 0.8, 3

def run(neuron, steps):
    """Return membranes and spikes of a neuron that begins at START and has no input."""
    mem, rows = torch.full((1, 1), START), []
    for _ in range(steps):
        spike, mem = neuron(torch.zeros(1, 1), mem)
        rows.append((mem.item(), int(spike.item())))
    return tuple(zip(*rows, strict=True))

seen = {}
for beta in (0.9, 0.5, 0.3, 0.1):
    expected = START * beta**STEPS
    leaky = run(snntorch.Leaky(beta=beta, reset_mechanism="none"), STEPS)[0][-1]
    neuron = snntorch.Lapicque(beta=beta, reset_mechanism="none")
    seen[beta] = run(neuron, STEPS)[0][-1]
    print(f"beta {beta}: expected {expected:.3f} after {STEPS} steps, Leaky {leaky:.3f}, Lapicque {seen[beta]:.3f}")
    if not math.isclose(leaky, expected, abs_tol=1e-6) or not math.isclose(neuron.beta.item(), beta, abs_tol=1e-6):
        sys.exit("changed: Leaky no longer decays by beta, or Lapicque no longer holds it")
spikes = run(snntorch.Lapicque(beta=0.1, reset_mechanism="none"), 10)[1]
print(f"spikes without input at beta 0.1: expected none, seen at steps {[i for i, s in enumerate(spikes) if s]}")

for beta, value in seen.items():
    if not math.isclose(value, START * (1 + math.log(beta)) ** STEPS, abs_tol=1e-5):
        sys.exit("changed: the decay is no longer 1 + ln(beta)")
if [i for i, s in enumerate(spikes) if s] != [1, 3, 5, 7, 9]:
    sys.exit("changed: a neuron with a beta of 0.1 no longer fires by itself")
print("as stated")
PY
