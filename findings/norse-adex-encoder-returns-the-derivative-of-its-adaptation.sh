#!/usr/bin/env bash
# Version: norse 1.1.0, torch 2.13.0.
#
# Behaviour: `norse.torch.lif_adex_current_encoder` computes "a single euler-integration step" of an adaptive
# exponential LIF neuron. The membrane is integrated. The adaptation is not: the function returns its derivative in
# place of the old value plus dt times the derivative. With the default time constant of half a second each step turns
# its sign and doubles it. `lif_adex_step` and `lif_adex_feed_forward_step`, for the same neuron, add dt times the
# derivative.
#
# Seen: default parameters, a current of 2, steps of 1 ms. By Euler's method as documented the adaptation rises slowly
# to 0.3 in the first 50 ms, with 7 spikes. The function gives an adaptation of 1.65, -1.46, 7.4 and -15 in the first
# four steps and -2e18 after 50, with 23 spikes. After 200 steps it is not a number, and neither is the membrane.
#
# Why it matters: the neuron is to fire less as a stimulus lasts. It fires at the sign of a runaway number, regularly and
# for all currents alike. The spikes look like spikes until they stop.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 norse==1.1.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import math
import sys
from importlib.metadata import version

import torch
from norse.torch import LIFAdExParameters, lif_adex_current_encoder

print(*(f"{name} {version(name)}" for name in ("norse", "torch")))
torch.set_grad_enabled(False)
CURRENT, STEPS, DT = 2.0, 50, 0.001
p = LIFAdExParameters()

def by_hand(steps):
    """Return spikes and adaptations by Euler's method, with both equations as they are documented."""
    leak, threshold, sharpness = float(p.v_leak), float(p.v_th), float(p.delta_T)
    v = a = 0.0
    spikes, adaptations = [], []
    for _ in range(steps):
        growth = sharpness * math.exp((v - threshold) / sharpness)
        v, a = (v + DT * float(p.tau_mem_inv) * (leak - v + growth + CURRENT - a),
                a + DT * float(p.tau_ada_inv) * (float(p.adaptation_current) * (v - leak) - a))
        spike = float(v > threshold)
        v, a = (float(p.v_reset) if spike else v), a + spike * float(p.adaptation_spike)
        spikes.append(spike)
        adaptations.append(a)
    return spikes, adaptations

def run(steps):
    v, a, spikes, adaptations = torch.zeros(1), torch.zeros(1), [], []
    for _ in range(steps):
        spike, v, a = lif_adex_current_encoder(torch.full((1,), CURRENT), v, a, dt=DT)
        spikes.append(spike.item())
        adaptations.append(a.item())
    return spikes, adaptations, v.item()

spikes, adaptations = by_hand(STEPS)
seen_spikes, seen, _ = run(STEPS)
print(f"first adaptations: expected {[round(a, 4) for a in adaptations[:4]]}, seen {[round(a, 4) for a in seen[:4]]}")
print(f"after {STEPS} steps: expected {adaptations[-1]:.3f} and {sum(spikes):.0f} spikes, "
      f"seen {seen[-1]:.3g} and {sum(seen_spikes):.0f} spikes")
_, later, membrane = run(200)
print(f"after 200 steps: expected {by_hand(200)[1][-1]:.3f}, seen {later[-1]}, membrane {membrane}")

if not (0 < adaptations[-1] < 1 and sum(spikes) == 7):
    sys.exit("the reference is another one")
if not all(-3 < b / a < -1.9 for a, b in zip(seen[20:40], seen[21:41], strict=True)):
    sys.exit("changed: the adaptation no longer doubles and turns at each step")
if not (math.isnan(later[-1]) and sum(seen_spikes) > 2 * sum(spikes)):
    sys.exit("changed: the adaptation stays finite, or the neuron fires no more often than expected")
print("as stated")
PY
