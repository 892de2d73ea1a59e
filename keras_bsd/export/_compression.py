"""Smaller versions of exported files."""

import logging
import math
import pathlib
from typing import Literal

import numpy as np

from keras_bsd import _checks
from keras_bsd._optional import require
from keras_bsd._types import ArrayLike, Path
from keras_bsd.export._conversion import require_onnx
from keras_bsd.export._logs import muted
from keras_bsd.export._onnx_file import atomic_onnx
from keras_bsd.export._parity import open_session

PRECISIONS = ("float16", "int8")
SMALLEST_HALVED = 256  # values of a tensor; below it a node more costs as much
CALIBRATION_BATCH = 100


def compress_onnx(
    source: Path, filepath: Path, precision: Literal["float16", "int8"], x: ArrayLike | None = None
) -> None:
    """Write a smaller version of an exported file, with the same metadata.

    `check_onnx` measures the difference that compression makes.

    Args:
        source: path of a file from `export_onnx`.
        filepath: path ending in `.onnx`; may be the same.
        precision: `"float16"` stores weights in half precision, for half the size, and computes in single
            precision; `"int8"` is ONNX Runtime's static quantisation of weights and of their inputs, which is
            exact for spikes: a quarter of the size, and faster.
        x: for `"int8"`, stimuli `(samples, ...)`, a few hundred of those to be served, which calibrate the
            range of values.

    Raises:
        ValueError: `source` is not a complete ONNX file, or for int8 was written with `streaming=True`; `x` is
            missing or has another shape. An earlier file is not changed.
        ImportError: `onnxruntime`, of the extra `serving`, is not installed.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((64,), classes=3, timesteps=2, units=(32,))
    >>> keras_bsd.export.export_onnx(model, "network.onnx")
    >>> keras_bsd.export.compress_onnx("network.onnx", "small.onnx", "float16")
    """
    _checks.one_of("precision", precision, PRECISIONS)
    inputs = open_session(source).get_inputs()
    stimuli = _calibration(x, inputs, source) if precision == "int8" else None
    with atomic_onnx(filepath) as written:
        if precision == "float16":
            onnx = require_onnx()
            onnx.save(_halved(onnx.load(source)), written)
        else:
            _quantize(pathlib.Path(source), written, stimuli)


def _halved(proto):
    onnx, graph = require_onnx(), proto.graph
    large = [
        value
        for value in graph.initializer
        if value.data_type == onnx.TensorProto.FLOAT and math.prod(value.dims) >= SMALLEST_HALVED
    ]
    for value in large:
        half = onnx.numpy_helper.to_array(value).astype("float16")
        name = f"{value.name}/float16"
        graph.node.insert(0, onnx.helper.make_node("Cast", [name], [value.name], to=onnx.TensorProto.FLOAT))
        value.CopyFrom(onnx.numpy_helper.from_array(half, name))
    return proto


def _calibration(x, inputs, source):
    if len(inputs) > 1:
        raise ValueError(
            f'`precision="int8"` is for whole networks. Received: {source}, written with streaming=True. '
            'Choose precision="float16".'
        )
    shape = tuple(inputs[0].shape[1:])
    if x is None or np.shape(x)[1:] != shape or not len(x):
        raise ValueError(
            f"`x` must be stimuli (samples, {', '.join(map(str, shape))}) to calibrate int8 with. "
            f"Received: {'None' if x is None else f'shape={np.shape(x)}'}"
        )
    return np.asarray(x, "float32" if inputs[0].type == "tensor(float)" else "int32")


def _quantize(source, written, x):
    quantization = require("onnxruntime.quantization", "Quantisation to int8", "serving")

    class Stimuli(quantization.CalibrationDataReader):
        batches = (x[i : i + CALIBRATION_BATCH] for i in range(0, len(x), CALIBRATION_BATCH))

        def get_next(self):
            return next(({"stimulus": batch} for batch in self.batches), None)

    with muted(logging.getLogger()):  # it recommends optimisations that tf2onnx has made
        quantization.quantize_static(
            source, written, Stimuli(), op_types_to_quantize=["MatMul", "Conv"], per_channel=True
        )
