"""Smaller versions of exported files."""

import logging
import math
import pathlib
import tempfile
from typing import Literal

import numpy as np

from keras_bsd import _checks
from keras_bsd._arrays import as_samples, check_finite
from keras_bsd._files import expand
from keras_bsd._optional import require
from keras_bsd._types import ArrayLike, Path
from keras_bsd.export._conversion import require_onnx
from keras_bsd.export._int8_weights import SMALLEST, store_in_int8
from keras_bsd.export._logs import muted
from keras_bsd.export._names import shorten_names
from keras_bsd.export._onnx_file import atomic_onnx
from keras_bsd.export._parity import check_file_range, open_session, readable

PRECISIONS = ("float16", "int8", "int8_weights")
CALIBRATION_BATCH = 100


def compress_onnx(
    source: Path,
    filepath: Path,
    precision: Literal["float16", "int8", "int8_weights"],
    x: ArrayLike | None = None,
    *,
    keep_currents: bool | None = None,
) -> None:
    """Write a smaller version of an exported file, with the same metadata.

    `check_onnx` measures the difference that compression makes.

    `"int8"` pays for large weights: a quarter of their size, and faster products. It slows a network of many
    small products down, such as a recurrent one: choose `"int8_weights"` there.

    Args:
        source: path of a file from `export_onnx`, in single precision.
        filepath: path ending in `.onnx`; may be the same.
        precision: what weights are stored in. `"float16"` is half precision, for half the size.
            `"int8_weights"` is int8 with a scale for each output channel, for a quarter of it. Both compute in
            single precision. `"int8"` is ONNX Runtime's static quantisation of weights and of the inputs of
            products. It represents spikes exactly. On x86 CPUs without VNNI sums of large weights saturate
            unless the session has the option `session.x64quantprecision` set to `"1"`.
        x: for `"int8"`, stimuli `(samples, ...)`, a few hundred of those to be served, which calibrate the
            range of values.
        keep_currents: for `"int8"`, whether the outputs of convolutions stay in single precision, as those of
            other products always do. Fewer spikes change then, but ONNX Runtime computes a rounded output
            together with its convolution, which is faster. Default: they stay so unless the network outputs
            probabilities of classes.

    Raises:
        ValueError: `source` is not a complete file of `export_onnx`, is compressed already, or for int8 was
            written with `streaming=True`; `x` is missing, has another shape, is not finite, is constant or is
            out of the `stimulus_range` of the file's metadata. An earlier file is not changed.
        ImportError: `onnxruntime`, of the extra `serving`, is not installed.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((64,), classes=3, timesteps=2, units=(32,))
    >>> keras_bsd.export.export_onnx(model, "network.onnx")
    >>> keras_bsd.export.compress_onnx("network.onnx", "small.onnx", "float16")
    """
    _checks.one_of("precision", precision, PRECISIONS)
    source = expand(source, "source")
    session = open_session(source)
    with readable(source):
        metadata, proto = session.get_modelmeta().custom_metadata_map, require_onnx().load(source)
    if "keras_bsd" not in metadata:
        names = [entry.name for entry in session.get_inputs()]
        raise ValueError(
            f"`source` must be a file of keras_bsd.export.export_onnx. Received: {source}, with the inputs "
            f"{names} and without its metadata. Export the network by export_onnx."
        )
    _check_single_precision(proto, source)
    if precision == "int8":
        stimuli = _calibration(x, session, source)
    with atomic_onnx(filepath) as written:
        with readable(source):
            if precision == "int8":
                smaller = _quantized(source, stimuli, _keeps_currents(proto, keep_currents))
            else:
                smaller = _halved(proto) if precision == "float16" else _with_int8_weights(proto)
            shorten_names(smaller)
        if precision != "float16":
            _check_quantized(smaller, source)
        require_onnx().save(smaller, written)


def _check_single_precision(proto, source):
    types = {value.data_type for value in proto.graph.initializer}
    half = require_onnx().TensorProto.FLOAT16 in types
    if half or require_onnx().TensorProto.INT8 in types:
        raise ValueError(
            f"`source` must be a file in single precision to be compressed. Received: {source}, in "
            f"{'float16' if half else 'int8'} already. Compress the file that export_onnx has written."
        )


def _halved(proto):
    onnx, graph = require_onnx(), proto.graph
    large = [
        value
        for value in graph.initializer
        if value.data_type == onnx.TensorProto.FLOAT and math.prod(value.dims) >= SMALLEST
    ]
    for value in large:
        single = onnx.numpy_helper.to_array(value)
        if not np.abs(single).max() <= np.finfo("float16").max:  # NaN included
            continue
        name = f"{value.name}/float16"
        graph.node.insert(0, onnx.helper.make_node("Cast", [name], [value.name], to=onnx.TensorProto.FLOAT))
        value.CopyFrom(onnx.numpy_helper.from_array(single.astype("float16"), name))
    return proto


def _keeps_currents(proto, keep_currents):
    """Return the argument, or the default: a decision bears rounded currents, a recalled stimulus does not."""
    if keep_currents is not None:
        return keep_currents
    return all(node.op_type != "Softmax" for node in proto.graph.node if "scores" in node.output)


def _with_int8_weights(proto):
    store_in_int8(proto)
    return proto


def _calibration(x, session, source):
    inputs = session.get_inputs()
    if len(inputs) > 1:
        raise ValueError(
            f'`precision="int8"` is for whole networks. Received: {source}, written with streaming=True. '
            'Choose precision="int8_weights".'
        )
    shape = tuple(inputs[0].shape[1:])
    x = None if x is None else as_samples("x", x)
    if x is None or x.shape[1:] != shape or not len(x):
        raise ValueError(
            f"`x` must be stimuli (samples, {', '.join(map(str, shape))}) to calibrate int8 with. "
            f"Received: {'x=None' if x is None else f'shape={x.shape}'}"
        )
    least, greatest = check_finite("x", x)
    check_file_range(session, x, source)
    if least == greatest:
        raise ValueError(
            "`x` must be stimuli of different values, which calibrate the range of what int8 represents. "
            f"Received: {len(x)} stimuli, {least:g} everywhere. Pass a few hundred of those to be served."
        )
    return x.astype("float32" if inputs[0].type == "tensor(float)" else "int32")


def _quantized(source, x, keep_currents):
    """Return the model of a file with quantised weights and inputs of products."""
    quantization = require("onnxruntime.quantization", "Quantisation to int8", "serving")

    class Stimuli(quantization.CalibrationDataReader):
        batches = (x[i : i + CALIBRATION_BATCH] for i in range(0, len(x), CALIBRATION_BATCH))

        def get_next(self):
            return next(({"stimulus": batch} for batch in self.batches), None)

    exact = ["MatMul", "Conv"] if keep_currents else ["MatMul"]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "quantised.onnx")
        with muted(logging.getLogger()):  # it recommends optimisations that tf2onnx has made
            quantization.quantize_static(
                source,
                path,
                Stimuli(),
                op_types_to_quantize=["MatMul", "Conv"],
                per_channel=True,
                extra_options={"OpTypesToExcludeOutputQuantization": exact},
            )
        return require_onnx().load(path)


def _check_quantized(proto, source):
    if not any(value.data_type == require_onnx().TensorProto.INT8 for value in proto.graph.initializer):
        raise ValueError(
            "`source` must have weights of dense layers or convolutions for int8, finite and for "
            f'"int8_weights" of at least {SMALLEST} values. Received: {source}, which has none. Choose '
            'precision="float16", or serve the file as it is.'
        )
