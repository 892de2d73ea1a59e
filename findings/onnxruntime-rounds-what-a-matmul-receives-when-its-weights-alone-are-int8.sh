#!/usr/bin/env bash
# Version: onnxruntime 1.32.0, onnx 1.23.2, on an x86 CPU.
#
# Behaviour: weights of a file can be stored in int8 and converted back by DequantizeLinear, one
# scale for each output channel, while everything is computed in single precision. That is what the
# graph says: no QuantizeLinear is in it, and for a Conv ONNX Runtime does so. A MatMul behind a
# DequantizeLinear it replaces by its own MatMulNBits, which by default
# (`session.qdq_matmulnbits_accuracy_level`, 4) rounds the other input, the activations, to int8 too.
# The same weights converted back by Cast and Mul are computed as the graph says.
#
# Seen: 1024 random inputs in [0, 1] and 1024 outputs: differences of 0.1 and more behind
# DequantizeLinear, 1e-4 behind Cast and Mul. For inputs of 0 and 1, such as spikes, both are exact.
#
# Why it matters: a file whose weights alone are quantised loses accuracy at the layers whose inputs
# are analogue, and no node of the file shows why.
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
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

print(*(f"{name} {version(name)}" for name in ("onnxruntime", "onnx", "numpy")))

SIZE = 1024
generator = np.random.default_rng(0)
values = generator.integers(-127, 128, (SIZE, SIZE)).astype("int8")
scale = (generator.random(SIZE) / 100).astype("float32")
x = generator.random((4, SIZE), "float32")
WAYS = {
    "DequantizeLinear": [helper.make_node("DequantizeLinear", ["q", "s"], ["w"], axis=1)],
    "Cast and Mul": [
        helper.make_node("Cast", ["q"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["c", "s"], ["w"]),
    ],
}

def difference(way, x):
    nodes = [*WAYS[way], helper.make_node("MatMul", ["x", "w"], ["y"])]
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", SIZE])] for name in "xy"
    )
    weights = [numpy_helper.from_array(values, "q"), numpy_helper.from_array(scale, "s")]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return float(np.abs(session.run(None, {"x": x})[0] - x @ (values * scale)).max())

seen = {}
for way in WAYS:
    seen[way] = difference(way, x), difference(way, (x < 0.2).astype("float32"))
    print(f"{way}: largest difference {seen[way][0]:.2g}, for inputs of 0 and 1 {seen[way][1]:.2g}")

if not seen["DequantizeLinear"][0] > 0.02:
    sys.exit("changed: inputs of a MatMul behind DequantizeLinear are not rounded")
if not seen["Cast and Mul"][0] < 1e-3 or not max(binary for _, binary in seen.values()) < 1e-3:
    sys.exit("changed: behind Cast and Mul, or for inputs of 0 and 1, results differ")
print("as stated")
PY
