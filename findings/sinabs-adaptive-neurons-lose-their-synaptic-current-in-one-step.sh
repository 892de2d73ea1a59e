#!/usr/bin/env bash
# Version: sinabs 3.1.3, torch 2.13.0.
#
# Behaviour: with `tau_syn` a neuron of sinabs has a synaptic current that decays exponentially. `ALIF` and `LIF`
# have the same arguments for it, and an ALIF layer with `adapt_scale=0` is a LIF layer. With `norm_input=True`, the
# default, ALIF multiplies the current by 1 - exp(-1/tau_mem) and keeps the product as its state: the current decays
# by that factor as well at each step. LIF multiplies what goes to the membrane alone.
#
# Seen: tau_mem 20, tau_syn 10, one input of 1, a threshold that is never reached. In LIF, as by hand, the membrane
# rises from 0.044 to 0.183 within six steps; in ALIF without adaptation it stays at 0.044 for one step and falls to
# 0.036. With an input spike at one step in four LIF fires 3 times, ALIF never. With `norm_input=False` both are
# equal.
#
# Why it matters: `tau_syn` has next to no effect in adaptive layers, whatever is set or learned, and a network in
# which LIF layers were replaced by ALIF gets a fraction of its input, which looks like an effect of the adaptation.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 sinabs==3.1.3 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import math
import sys
from importlib.metadata import version

import sinabs.layers as sl
import torch
from sinabs.activation import SingleSpike

print(*(f"{name} {version(name)}" for name in ("sinabs", "torch")))
torch.set_grad_enabled(False)
TAU_MEM, TAU_SYN = 20.0, 10.0

def by_hand(inputs, norm_input, threshold):
    decay, gain = math.exp(-1 / TAU_MEM), 1 - math.exp(-1 / TAU_MEM) if norm_input else 1.0
    current, membrane, spikes, trace = 0.0, 0.0, 0, []
    for x in inputs:
        current = math.exp(-1 / TAU_SYN) * (current + x)
        membrane = decay * membrane + gain * current
        fired = membrane >= threshold
        spikes, membrane = spikes + fired, membrane - fired * threshold
        trace.append(membrane)
    return spikes, trace

def in_sinabs(kind, inputs, norm_input, threshold):
    extra = {"tau_adapt": 20.0, "adapt_scale": 0.0} if kind is sl.ALIF else {}
    spikes, trace = 0, []
    for steps in range(1, len(inputs) + 1):  # anew for each length: the membrane at the end of each
        layer = kind(tau_mem=TAU_MEM, tau_syn=TAU_SYN, norm_input=norm_input, spike_fn=SingleSpike,
                     spike_threshold=torch.tensor(threshold), **extra)
        spikes = int(layer(torch.tensor(inputs[:steps]).reshape(1, -1, 1)).sum())
        trace.append(layer.v_mem.item())
    return spikes, trace

def equal(one, other):
    return one[0] == other[0] and all(math.isclose(a, b, abs_tol=1e-4) for a, b in zip(one[1], other[1]))

impulse, train = [1.0] + [0.0] * 5, [1.0, 0.0, 0.0, 0.0] * 10
for norm_input in (False, True):
    for name, inputs, threshold in (("one input", impulse, 100.0), ("a train", train, 0.8 if norm_input else 16.0)):
        expected = by_hand(inputs, norm_input, threshold)
        lif, alif = (in_sinabs(kind, inputs, norm_input, threshold) for kind in (sl.LIF, sl.ALIF))
        print(f"norm_input={norm_input}, {name}: expected {expected[0]} spikes; LIF {lif[0]}, ALIF {alif[0]}")
        if inputs is impulse:
            for label, trace in (("expected", expected[1]), ("LIF", lif[1]), ("ALIF", alif[1])):
                print(f"  membrane, {label}: {[round(v, 3) for v in trace]}")
        if not equal(lif, expected):
            sys.exit("changed: LIF no longer gives the reference")
        if equal(alif, expected) == norm_input:
            sys.exit(f"changed: ALIF with norm_input={norm_input} treats its synaptic current in another way")
print("as stated")
PY
