"""Weights of ONNX files in int8, with a scale for each output channel, converted back where they are used."""

import math
from typing import Any

import numpy as np

from keras_bsd._optional import require

SMALLEST = 256  # values of a tensor; below it the nodes cost as much
LEVELS = 127
_EXACT = 1e-6  # of the greatest weight: rounding of float32, once a converter has merged factors into weights


def store_in_int8(proto: Any, only_exact: bool = False) -> int:
    """Replace weights of products in an ONNX model, and return how many were replaced.

    A weight `w` becomes `round(w / scale)`, `scale = max |w| / 127` of its output channel, and two nodes, Cast
    and Mul. ONNX Runtime computes these once, when it loads the file. After DequantizeLinear in their place
    ONNX Runtime rounds the inputs of a MatMul as well.

    Args:
        proto: ONNX model, which is changed.
        only_exact: whether to replace only weights that are products of int8 values and scales already.
    """
    onnx = require("onnx", "Export to ONNX")
    graph = proto.graph
    channels = _output_channels(graph)
    nodes, scales, count = [], [], 0
    for tensor in graph.initializer:
        axes = channels.get(tensor.name)
        if tensor.data_type != onnx.TensorProto.FLOAT or not axes or math.prod(tensor.dims) < SMALLEST:
            continue
        weights = onnx.numpy_helper.to_array(tensor)
        values, scale = quantize(weights, axes)
        if only_exact and np.abs(values * scale - weights).max() > _EXACT * np.abs(weights).max():
            continue
        name = tensor.name
        nodes.append(onnx.helper.make_node("Cast", [f"{name}/int8"], [f"{name}/cast"], to=tensor.data_type))
        nodes.append(onnx.helper.make_node("Mul", [f"{name}/cast", f"{name}/scale"], [name]))
        scales.append(onnx.numpy_helper.from_array(scale, f"{name}/scale"))
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, f"{name}/int8"))
        count += 1
    graph.initializer.extend(scales)
    for i, node in enumerate(nodes):
        graph.node.insert(i, node)
    return count


def quantize(weights: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return int8 values and scales of weights, one scale for each position along `axes`."""
    others = tuple(axis for axis in range(weights.ndim) if axis not in axes)
    scale = np.abs(weights).max(axis=others, keepdims=True) / np.float32(LEVELS)
    scale = np.where(scale > 0, scale, np.float32(1))
    return np.round(weights / scale).astype("int8"), scale


def _output_channels(graph):
    """Return, by name, the axes of output channels of all tensors that are the weights of products alone."""
    found: dict[str, Any] = {}
    for node in graph.node:
        attributes = {attribute.name: attribute.i for attribute in node.attribute}
        for position, name in enumerate(node.input):
            axes = _weight_axes(node.op_type, attributes) if position == 1 else None
            found[name] = axes if found.get(name, axes) == axes else None
    ranks = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    return {
        name: tuple(axis % ranks[name] for axis in axes)
        for name, axes in found.items()
        if axes and name in ranks and ranks[name] > 1
    }


def _weight_axes(kind, attributes):
    if kind == "ConvTranspose":
        return (0, 1) if attributes.get("group", 1) > 1 else (1,)
    if kind == "Gemm":
        return (0,) if attributes.get("transB") else (1,)
    return {"Conv": (0,), "MatMul": (-1,)}.get(kind)
