"""Keras's own export of a network: loops written out, and errors that say what can be done."""

import contextlib
import os
import shutil
import tempfile

import keras

from keras_bsd._backend import export_options
from keras_bsd._files import expand
from keras_bsd._optional import require
from keras_bsd.layers._time_loop import unrolled

ELSEWHERE = (
    "Keras exports these networks on TensorFlow as tf_saved_model, onnx, litert and openvino, on JAX as "
    "tf_saved_model and without max-pooling as onnx, on PyTorch as onnx and torch: load the .keras file with "
    "another KERAS_BACKEND. keras_bsd.export.export_onnx works on every backend."
)


def export_network(network, filepath, format, verbose, input_signature, options):
    """Export a network by `keras.Model.export`, with time loops written out: most formats have none.

    Args:
        network: functional or Sequential model with one input.
        filepath, format, verbose, input_signature: see `keras.Model.export`. By default the input is named
            `stimulus`.
        options: dict of the format's own arguments.

    Raises:
        ValueError: Keras cannot export the network in this format on this backend, or sequences have no length.
            An earlier file is not changed.
        ImportError: a package of the format is not installed.
    """
    path = os.fspath(expand(filepath, "filepath"))  # some of Keras's formats take no pathlib.Path
    if input_signature is None:
        input_signature = [_signature(network, format)]
    try:
        with unrolled(), _earlier_file(path):
            network.export(path, format, verbose, input_signature, **{**export_options(format), **options})
            _check_onnx(path, format)
    except ImportError:
        raise
    except Exception as error:  # the converters raise what they like
        first, *_ = str(error).strip().splitlines() or [repr(error)]
        raise ValueError(
            f"Keras cannot export this network with {format=} on the backend {keras.config.backend()}. "
            f"Received: {first.rstrip('.')}. {ELSEWHERE}"
        ) from error


def _signature(network, format):
    (stimulus,) = network.inputs
    if format != "tf_saved_model" and None in stimulus.shape[1:]:
        shape = tuple(None if i == 0 else n or 32 for i, n in enumerate(stimulus.shape))
        raise ValueError(
            f"`input_signature` must give a length to sequences for {format=}, which has no loop over time. "
            f"Received: input_signature=None, a network with inputs {stimulus.shape[1:]}. Pass for example "
            f'[keras.InputSpec("{stimulus.dtype}", {shape}, name="stimulus")].'
        )
    return keras.InputSpec(stimulus.dtype, stimulus.shape, name="stimulus")


@contextlib.contextmanager
def _earlier_file(path):
    """Put the file back that was at `path`, or remove what is there now, if the block raises."""
    with tempfile.TemporaryDirectory() as folder:
        earlier = shutil.copy2(path, folder) if os.path.isfile(path) else None
        try:
            yield
        except BaseException:
            if earlier:
                shutil.copy2(earlier, path)
            elif os.path.isfile(path):
                os.remove(path)
            raise


def _check_onnx(path, format):
    """Raise if a converter has written what no runtime runs.

    tf2onnx leaves operations that ONNX does not know, and jax2onnx pools over the axes of batch and channels,
    too, which are more than ONNX Runtime has.
    """
    if format != "onnx":
        return
    onnx = require("onnx", "Export to ONNX")
    onnx.checker.check_model(path)
    for node in onnx.load(path, load_external_data=False).graph.node:
        (window,) = [tuple(a.ints) for a in node.attribute if a.name == "kernel_shape"] or [()]
        if len(window) > 3:
            raise ValueError(
                f"{node.op_type} of a window {window} is in the file, of more than three dimensions"
            )
