#!/usr/bin/env bash
# Versions: onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6.
#
# Behaviour: `onnx.compose.merge_models` joins two files, and gives the names of one or both a prefix so that equal names
# do not meet. The body of a `Scan` or `Loop`, which is how a spiking network steps through time, may take weights from
# the graph around it. The prefix reaches what the body takes from nodes and inputs, but not from initializers: the body
# goes on asking for the old names. With a prefix for one network these are the weights of the other one.
#
# Seen: two networks of one neuron, weights 0.6 and 0.3, each a `Scan` over 40 steps, the second fed by the first. One
# after the other they give 5 spikes. Merged with `prefix2` they give 10: both use 0.6. With `prefix1` they give 2: both
# use 0.3. ONNX's checker passes both files, ONNX Runtime runs them. With both prefixes the checker refuses. The same
# layers without `Scan` are merged right.
#
# Why it matters: an encoder and a network, or two halves that were exported one by one, have equal names because the
# same exporter wrote them. The merged file has all weights, those that nobody uses as well, and computes another network.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, compose, helper, numpy_helper

print(*(f"{name} {version(name)}" for name in ("onnx", "onnxruntime", "numpy")))
onnxruntime.set_default_logger_severity(3)
STEPS = 40

def array(name, values):
    return numpy_helper.from_array(np.array(values, np.float32), name)

def value(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

def network(weight, with_scan=True):
    """Return one neuron with a threshold of 1, that integrates and is reset to 0; or its weight alone, without Scan."""
    known = [array("weights", [[weight]])]
    if with_scan:
        step = helper.make_graph(
            [
                helper.make_node("MatMul", ["x", "weights"], ["current"]),
                helper.make_node("Add", ["before", "current"], ["charged"]),
                helper.make_node("Greater", ["charged", "threshold"], ["fired"]),
                helper.make_node("Cast", ["fired"], ["spike"], to=TensorProto.FLOAT),
                helper.make_node("Mul", ["spike", "charged"], ["lost"]),
                helper.make_node("Sub", ["charged", "lost"], ["after"]),
            ],
            "step", [value("before", [1, 1]), value("x", [1, 1])], [value("after", [1, 1]), value("spike", [1, 1])])
        node = helper.make_node("Scan", ["rest", "inputs"], ["last", "outputs"], num_scan_inputs=1, body=step)
        known += [array("threshold", [1]), array("rest", [[0]])]
    else:
        node = helper.make_node("MatMul", ["inputs", "weights"], ["outputs"])
    shape = [STEPS, 1, 1]
    graph = helper.make_graph([node], "network", [value("inputs", shape)], [value("outputs", shape)], known)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model

def run(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: inputs})[0]

def merged(prefixes, inputs, **arguments):
    first, second = network(0.6, **arguments), network(0.3, **arguments)
    model = compose.merge_models(first, second, io_map=[("outputs", "inputs")], **prefixes)
    onnx.checker.check_model(model, full_check=True)
    return float(run(model, inputs).sum())

def by_hand(weights):
    """Return how often the last of some neurons fires, each of which is fed by the one before."""
    signal = [1.0] * STEPS
    for weight in weights:
        membrane, spikes = 0.0, []
        for current in signal:
            membrane += weight * current
            spikes.append(float(membrane > 1))
            membrane *= 1 - spikes[-1]
        signal = spikes
    return sum(signal)

inputs = np.ones((STEPS, 1, 1), np.float32)
ways = {"prefix2": {"prefix2": "second_"}, "prefix1": {"prefix1": "first_"}}
expected = by_hand([0.6, 0.3])
apart = float(run(network(0.3), run(network(0.6), inputs)).sum())
print(f"one after the other: expected {expected:.0f} spikes, seen {apart:.0f}")
seen = {name: merged(way, inputs) for name, way in ways.items()}
plain = {name: merged(way, inputs, with_scan=False) for name, way in ways.items()}
for name in ways:
    print(f"merged with {name}: expected {expected:.0f} spikes, seen {seen[name]:.0f}; without Scan expected a sum of "
          f"{0.6 * 0.3 * STEPS:.2f}, seen {plain[name]:.2f}")
try:
    merged(ways["prefix1"] | ways["prefix2"], inputs)
except onnx.checker.ValidationError as error:
    print("with both prefixes:", str(error).splitlines()[0])
else:
    sys.exit("changed: with both prefixes the merged file is valid")

if apart != expected or not np.allclose(list(plain.values()), 0.6 * 0.3 * STEPS):
    sys.exit("changed: networks by themselves, or layers without Scan, are no longer right")
if seen != {"prefix2": by_hand([0.6, 0.6]), "prefix1": by_hand([0.3, 0.3])} or expected in seen.values():
    sys.exit("changed: merged networks no longer share their weights")
print("as stated")
PY
