"""Exported files made smaller."""

import logging
import math
import pathlib

import numpy as np

from keras_bsd import _checks
from keras_bsd._optional import require
from keras_bsd.export._logs import muted
from keras_bsd.export._onnx_file import atomic_onnx, require_onnx
from keras_bsd.export._parity import open_session

PRECISIONS = ("float16", "int8")
SMALLEST_HALVED = 256  # numbers; below it is not worth a node
CALIBRATION_BATCH = 100


def compress_onnx(source, filepath, precision, x=None):
    """Write a smaller version of an exported file, its metadata included.

    `check_onnx` says what it costs.

    Args:
        source: path of a file that `export_onnx` wrote.
        filepath: path ending in `.onnx`; may be the same.
        precision: `"float16"`, weights are stored in half precision, half the size, and computed with as
            before; or `"int8"`, ONNX Runtime's own static quantisation of weights and of what they are
            multiplied with, of which spikes lose nothing: a quarter of the size, and faster.
        x: for `"int8"`, stimuli `(samples, ...)` such as will be served, some hundreds of them: they say
            which values occur.

    Raises:
        ValueError: `source` is no whole ONNX file, or for int8 one time step of a network; `x` is missing
            or of another shape. An earlier file stays as it was.

    Example:

    >>> keras_bsd.export.compress_onnx("digits.onnx", "digits-int8.onnx", "int8", x_train[:500])
    """
    _checks.one_of("precision", precision, PRECISIONS)
    inputs = open_session(source).get_inputs()
    if precision == "int8":
        x = _calibration(x, inputs, source)
    with atomic_onnx(filepath) as written:
        if precision == "float16":
            onnx = require_onnx()
            onnx.save(_halved(onnx.load(source)), written)
        else:
            _quantize(pathlib.Path(source), written, x)


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
            f"A time step of a network is not quantised. Received: {source}, written with streaming=True. "
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

    with muted(logging.getLogger()):  # it recommends optimisations that the file has had
        quantization.quantize_static(
            source, written, Stimuli(), op_types_to_quantize=["MatMul", "Conv"], per_channel=True
        )
