"""Networks as LiteRT files."""

from collections.abc import Sequence
from typing import Literal

import keras

from keras_bsd import _checks
from keras_bsd._types import ArrayLike, Model, Path
from keras_bsd.export._map_pooling import pooled_in_two_dimensions
from keras_bsd.export._network import exported_network
from keras_bsd.export._onnx_file import check_stateless, checked_length, output_names
from keras_bsd.export._paths import atomic_export
from keras_bsd.export._programs import Output, whole
from keras_bsd.models._data_checks import checked_stimuli

LITERT_PRECISIONS = ("float32", "float16", "dynamic", "int8")


def export_litert(
    model: Model,
    filepath: Path,
    precision: Literal["float32", "float16", "dynamic", "int8"] = "float32",
    x: ArrayLike | None = None,
    *,
    outputs: Output | Sequence[Output] = ("scores",),
    length: int | None = None,
) -> None:
    """Write a network as a LiteRT file: the encoder of a pair, or any other model, on TensorFlow.

    The file has one signature, with the input `stimulus`, `(batch, ...)` with any batch size, and the outputs
    of `export_onnx`.

    Args:
        model: see `export_onnx`.
        filepath: path ending in `.tflite`.
        precision: of the stored weights. `"dynamic"` and `"int8"` store those of products in int8, a scale for
            each output channel, for a quarter of the size. `"dynamic"` rounds what a product receives by the
            maximum of each sample. `"int8"` rounds what products receive and compute by ranges that `x`
            calibrates. Both represent spikes exactly, and neurons compute in single precision: spikes are 0
            and 1, and their counts whole.
        x: for `"int8"`, stimuli `(samples, ...)`, a few hundred of those to be served.
        outputs: see `export_onnx`.
        length: see `export_onnx`.

    Raises:
        ValueError: an argument is out of range, the backend is another than TensorFlow, or the model is not
            built or cannot be exported, such as one that pools in three dimensions. No file is left
            behind, and an earlier one is not changed.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, timesteps=2, units=(6,))
    >>> if keras.config.backend() == "tensorflow":
    ...     keras_bsd.export.export_litert(model, "network.tflite")
    """
    _checks.one_of("precision", precision, LITERT_PRECISIONS)
    network, names = exported_network(model), output_names(outputs)
    if keras.config.backend() != "tensorflow":
        raise ValueError(
            f"LiteRT files are written on TensorFlow. Received: backend={keras.config.backend()!r}. Save the "
            "model, and load it in a process with KERAS_BACKEND=tensorflow."
        )
    check_stateless(network)
    length = checked_length(length, network, False)
    stimuli = None
    if precision == "int8":
        if x is None:
            raise ValueError('`x` must be stimuli to calibrate precision="int8" with. Received: x=None')
        stimuli = checked_stimuli(model, x).astype(network.inputs[0].dtype)
    with atomic_export(filepath, ".tflite") as written, pooled_in_two_dimensions(network):
        from keras_bsd.export import _tensorflow_lite

        program = whole(network, names, length)
        written.write_bytes(_tensorflow_lite.convert(network, program, precision, stimuli))
