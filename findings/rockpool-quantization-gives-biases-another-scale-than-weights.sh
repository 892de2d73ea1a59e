#!/usr/bin/env bash
# Version: rockpool 3.1.0, numpy 2.4.6.
#
# Behaviour: `channel_quantize` and `global_quantize` turn the weights, thresholds and biases of a network into the
# integers of a Xylo chip. Weights, threshold and bias of a neuron are in one unit and need one factor. With one
# synapse a neuron `channel_quantize` rounds hidden biases without any factor, with two it scales them.
# `global_quantize` scales output biases by the factor of the hidden layer. `channel_quantize` also writes its result
# into the caller's bias arrays: quantized again, the same specification gives other biases.
#
# Seen: thresholds of 1, hidden biases of 0.4, output biases of 0.05, output weights below 0.1. As parts of the
# threshold hidden biases should be 0.4: 0 from `channel_quantize` with one synapse, 0.4 with two. Output biases
# should be 0.05: 0.004 from `global_quantize`. Weights are right throughout. `channel_quantize`, called again with
# the same arrays, gives output biases of 191,864 and 90,199 in place of 98 and 67.
#
# Why it matters: a neuron that its bias makes fire is silent on the chip, or the reverse, and no error points to the
# conversion: weights and thresholds, which one looks at first, are right.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 scipy==1.17.1 torch==2.13.0 rockpool==3.1.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from rockpool.transform.quantize_methods import channel_quantize, global_quantize

print(*(f"{name} {version(name)}" for name in ("rockpool", "numpy")))
BIAS, BIAS_OUT = 0.4, 0.05

def network(synapses):
    rng = np.random.default_rng(0)
    dashes = {name: np.full(2 if name.endswith("out") else 3, 4.0)
              for name in ("dash_mem", "dash_mem_out", "dash_syn", "dash_syn_2", "dash_syn_out")}
    return {"weights_in": rng.uniform(-1, 1, (2, 3, synapses)), "weights_rec": rng.uniform(-1, 1, (3, 3, synapses)),
            "weights_out": rng.uniform(-0.1, 0.1, (3, 2)), "threshold": np.ones(3), "threshold_out": np.ones(2),
            "bias": np.full(3, BIAS), "bias_out": np.full(2, BIAS_OUT), **dashes}

def weights_are_right(net, integers):
    hidden = integers["weights_in"] / integers["threshold"][:, None] - net["weights_in"]
    output = integers["weights_out"] / integers["threshold_out"] - net["weights_out"]
    return max(np.abs(hidden).max(), np.abs(output).max()) < 0.01

seen = {}
for quantize in (channel_quantize, global_quantize):
    for synapses in (1, 2):
        integers = quantize(**network(synapses))
        if not weights_are_right(network(synapses), integers):
            sys.exit("changed: weights are no longer right")
        seen[quantize.__name__, synapses] = ((integers["bias"] / integers["threshold"]).mean(),
                                             (integers["bias_out"] / integers["threshold_out"]).mean())
print(f"biases as parts of the threshold: expected {BIAS} (hidden), {BIAS_OUT} (output)")
for (name, synapses), (hidden, output) in seen.items():
    print(f"  {name}, {synapses} synapse(s) a neuron: {hidden:.3f} (hidden), {output:.3f} (output)")

net = network(1)
first, second = (channel_quantize(**net)["bias_out"].tolist() for _ in range(2))
print(f"channel_quantize of the same network: output biases {first}, again {second}")

right = {key: (abs(hidden - BIAS) < 0.01, abs(output - BIAS_OUT) < 0.003) for key, (hidden, output) in seen.items()}
if right != {("channel_quantize", 1): (False, True), ("channel_quantize", 2): (True, True),
             ("global_quantize", 1): (True, False), ("global_quantize", 2): (True, False)}:
    sys.exit(f"changed: biases are scaled in another way: {right}")
if seen["channel_quantize", 1][0] != 0 or first == second:
    sys.exit("changed: hidden biases are scaled, or the caller's biases are left as they were")
print("as stated")
PY
