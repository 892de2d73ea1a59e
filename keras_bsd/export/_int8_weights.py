"""Weights of ONNX files in int8, with a scale for each output channel, converted back where they are used."""

import math
from typing import Any

import numpy as np

from keras_bsd._optional import require

SMALLEST = 256  # values of a tensor; below it the nodes cost as much
LEVELS = 127
_EXACT = 1e-6  # of a channel's greatest weight: a converter merges factors into weights, in float32


def store_in_int8(proto: Any, only_exact: bool = False) -> int:
    """Replace weights of products in an ONNX model, and return how many were replaced.

    A weight `w` becomes `round(w / scale)`, `scale = max |w| / 127` of its output channel, and two nodes, Cast
    and Mul. ONNX Runtime computes these once, when it loads the file. After DequantizeLinear in their place
    ONNX Runtime rounds the inputs of a MatMul as well.

    Args:
        proto: ONNX model, which is changed.
        only_exact: whether to replace only weights that are products of int8 values and scales already. Those
            of Keras are multiplied by `127 / (max |w| + 1e-7)` and divided by it.
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
        if not np.isfinite(weights).all():
            continue
        if only_exact and exact_steps(weights.take([0], axes[0]), axes) is None:  # most end here
            continue
        quantized = (exact_steps if only_exact else quantize)(weights, axes)
        if quantized is None:
            continue
        (values, scale), name = quantized, tensor.name
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
    scale = _greatest(weights, axes) / np.float32(LEVELS)
    scale = np.where(scale > 0, scale, np.float32(1))
    return np.round(weights / scale).astype("int8"), scale


def exact_steps(weights: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return int8 values and scales whose products the weights are, or None.

    The greatest value of a channel may be less than 127: Keras adds a constant to the maximum, which counts
    where weights are tiny, and a quantizer may have fewer levels.
    """
    greatest = _greatest(weights, axes)
    scale = np.where(greatest > 0, np.float32(0), np.float32(1))  # 0: not found yet
    for levels in range(LEVELS, 0, -1):
        step = np.where(greatest > 0, greatest, np.float32(LEVELS)) / np.float32(levels)
        error = _greatest(np.round(weights / step) * step - weights, axes)
        scale = np.where((scale == 0) & (error <= _EXACT * greatest), step, scale)
        if scale.all():
            return np.round(weights / scale).astype("int8"), scale
    return None


def _greatest(values, axes):
    """Return the greatest magnitude at each position along `axes`."""
    others = tuple(axis for axis in range(values.ndim) if axis not in axes)
    return np.abs(values).max(axis=others, keepdims=True)


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
