#!/usr/bin/env bash
# Version: onnx2torch 1.5.15, onnx 1.23.2, torch 2.13.0; torchvision, which NMS and RoiAlign need, is left out.
#
# Behaviour: ONNX's `CumSum` sums from the first element on, unless its attribute `reverse` is 1; the default is 0.
# onnx2torch takes 1 where the attribute is left out, and sums from the last element on.
#
# Seen: spikes 1, 0, 1, 0, 0, 1 of a neuron. Their running count is 1, 1, 2, 2, 2, 3, which ONNX's reference gives;
# seen are 3, 2, 2, 1, 1, 1. With `reverse=0` written out onnx2torch is right. Of a network that decides when a neuron
# has its second spike, the answer is the first step in place of the third.
#
# Why it matters: `CumSum` counts spikes over time and finds the first one. Writers leave out attributes that have their
# default. Counts of the whole recording appear at the first step: the network answers before it has seen anything.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 onnx==1.23.2 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }
venv/bin/pip install -q --no-compile --no-deps onnx2torch==1.5.15 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
import types
from importlib.metadata import version

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

vision, operators = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
vision.ops, operators.roi_align = operators, None  # imported by onnx2torch, used for NMS and RoiAlign alone
sys.modules.update({"torchvision": vision, "torchvision.ops": operators})
from onnx2torch import convert

print(*(f"{name} {version(name)}" for name in ("onnx2torch", "onnx", "torch")))
spikes = np.array([1, 0, 1, 0, 0, 1], "float32")

def model(**attributes):
    """Return a graph that gives the running count of spikes, and 1 from the step on where it reaches two."""
    nodes = [helper.make_node("CumSum", ["spikes", "axis"], ["count"], **attributes),
             helper.make_node("Sub", ["count", "below"], ["excess"]),
             helper.make_node("Clip", ["excess", "zero", "one"], ["decided"])]
    constants = [numpy_helper.from_array(np.array(value, kind), name)
                 for name, value, kind in (("axis", 0, "int64"), ("below", 1, "float32"), ("zero", 0, "float32"),
                                           ("one", 1, "float32"))]
    shape = [len(spikes)]
    graph = helper.make_graph(
        nodes, "counter", [helper.make_tensor_value_info("spikes", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("count", "decided")], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made

seen, reference, first = {}, {}, {}
for name, attributes in (("left out", {}), ("reverse=0", {"reverse": 0}), ("reverse=1", {"reverse": 1})):
    made = model(**attributes)
    reference[name] = ReferenceEvaluator(made).run(None, {"spikes": spikes})[0].tolist()
    count, decided = convert(made)(torch.from_numpy(spikes))
    seen[name], first[name] = count.tolist(), int(decided.numpy().argmax())
    print(f"{name}: expected {reference[name]}, seen {seen[name]}; two spikes at step {first[name]}, counted from 0")

if reference["left out"] != np.cumsum(spikes).tolist():
    sys.exit("changed: the reference no longer sums from the first element")
if any(seen[name] != reference[name] for name in ("reverse=0", "reverse=1")):
    sys.exit("changed: with the attribute written out onnx2torch is no longer right")
if seen["left out"] != reference["reverse=1"] or first["left out"] != 0:
    sys.exit("changed: without the attribute onnx2torch sums from the first element")
print("as stated")
PY
