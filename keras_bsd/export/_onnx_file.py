"""Networks as ONNX files."""

import contextlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_bsd import _checks
from keras_bsd._observe import arrays
from keras_bsd._types import Model, Path
from keras_bsd._version import __version__
from keras_bsd.applications._presets import record
from keras_bsd.export._conversion import convert, require_onnx
from keras_bsd.export._int8_weights import store_in_int8
from keras_bsd.export._names import shorten_names
from keras_bsd.export._network import as_float, exported_network, is_quantized
from keras_bsd.export._paths import atomic_export
from keras_bsd.export._programs import OUTPUTS, Output
from keras_bsd.export._streaming import timesteps
from keras_bsd.layers import SpikingStage, flatten_stages
from keras_bsd.layers._stage import stage_names

OPSETS = range(13, 19)  # those that tf2onnx writes


def export_onnx(
    model: Model,
    filepath: Path,
    *,
    outputs: Output | Sequence[Output] = ("scores",),
    labels: str | Sequence[Any] | None = None,
    preprocess: tuple[float | Sequence[float], float | Sequence[float]] | None = None,
    opset: int | None = None,
    streaming: bool = False,
    length: int | None = None,
) -> None:
    """Write a network as an ONNX file: the encoder of a pair, or any other model.

    The file's input is `stimulus`, `(batch, ...)` with any batch size. Time loops are unrolled, the current of
    a held stimulus is computed once, and neurons compare their membrane with the threshold. The file replaces
    an earlier one only after ONNX's full check.

    The file has metadata, each value in JSON: `timesteps`; `thresholds` by stage; `streaming`; `keras_bsd`, the
    library's version; `labels`, `preset`, `preprocess` and, of a pair, `stimulus_range` where known.

    Args:
        model: a `BSDModel`, whose encoder is exported, or any built Sequential or functional Keras model with
            one input and one output, such as its decoder.
        filepath: path ending in `.onnx`.
        outputs: one or several of the file's possible outputs, see below.
        labels: name of a preset, or a sequence of one label for each class, for the metadata.
        preprocess: pair `(subtract, divide)` of numbers, or of sequences along the input's last axis, for the
            metadata: `(x - subtract) / divide` turns raw data into stimuli. The file itself takes stimuli.
            `(0, 255)` describes `keras_bsd.applications.preprocess_input`.
        opset: int from 13 to 18 (default 18), the version of ONNX's operations.
        streaming: whether the file processes one step in place of all: a time step, or where stages are
            recurrent an element of a sequence. All states are then further inputs `state/...`, which start at
            zero, and outputs `next_state/...`. `stimulus` has no time axis; a held stimulus is fed again at
            each call. Scores are those for the firing rates so far, or after the element; counts, rates and
            spikes are those of the step.
        length: positive int, the number of elements or time steps that the file takes. Required for a network
            that takes sequences of any length, unless it is streamed.

    The outputs are

    - `"scores"`: the network's output, be it scores, values or a stimulus, `(batch, ...)`;
    - `"spike_counts"`: number of spikes of each neuron, `(batch, ...)`, named `spike_counts/STAGE` for each
      spiking stage;
    - `"firing_rates"`: mean number of spikes per neuron and time step, `(batch,)`, named `firing_rates/STAGE`;
    - `"spikes"`: spikes of each neuron, `(batch, time, ...)`, named `spikes/STAGE`. The time steps of a
      sequence's elements follow each other.

    Raises:
        ValueError: an argument is out of range, the model is not built, or a layer cannot be exported or
            streamed. No file is left behind, and an earlier one is not changed.
        ImportError: `onnx`, `tf2onnx` or `tensorflow` is not installed.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, timesteps=2, units=(6,))
    >>> keras_bsd.export.export_onnx(model, "network.onnx", labels=["setosa", "versicolor", "virginica"])
    """
    network = exported_network(model)
    names = output_names(outputs)
    check_stateless(network)
    opset = _checks.one_of("opset", OPSETS[-1] if opset is None else opset, OPSETS)
    length = checked_length(length, network, streaming)
    metadata = {
        **_neurons(network, length),
        **_labels(labels, network.output_shape),
        **_preprocess(preprocess, network.input_shape),
        **_stimulus_range(model),
        "streaming": bool(streaming),
        "keras_bsd": __version__,
    }
    with atomic_onnx(filepath) as written:
        proto = convert(network, names, opset, bool(streaming), length)
        proto.producer_name, proto.producer_version = "keras_bsd", __version__
        onnx = require_onnx()
        from keras_bsd.export._simplify import simplify  # which needs onnx

        simplify(proto)
        if is_quantized(network):  # the converter has multiplied values and scales
            store_in_int8(proto, only_exact=True)
        shorten_names(proto)
        onnx.helper.set_model_props(proto, {name: json.dumps(value) for name, value in metadata.items()})
        onnx.save(proto, written)


@contextlib.contextmanager
def atomic_onnx(filepath):
    """Yield a temporary path of an ONNX file that replaces `filepath` when ONNX has checked it.

    Raises:
        ValueError: the file does not pass the check.
    """
    with atomic_export(filepath, ".onnx") as written:
        yield written
        onnx = require_onnx()
        try:
            onnx.checker.check_model(written, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise ValueError(
                f"{filepath} was not written, since it would be no valid ONNX file: {error}"
            ) from error


def output_names(outputs):
    names = (outputs,) if isinstance(outputs, str) else outputs
    if not isinstance(names, Sequence) or not names:
        raise ValueError(f"`outputs` must be one or several of {', '.join(OUTPUTS)}. Received: {outputs=}")
    return tuple(_checks.one_of("outputs", name, OUTPUTS) for name in names)


def check_stateless(network):
    for stage in flatten_stages(network, SpikingStage):
        if stage.neuron.stateful:
            raise ValueError(
                f"Layer '{stage.name}' cannot be exported: its neurons carry their state from call to call. "
                "Received: neurons with stateful=True. Build the network with stateful=False; a file of "
                "`streaming=True` has the states as inputs and outputs."
            )


def checked_length(length, network, streaming):
    required = not streaming and None in network.input_shape[1:]
    if required == (length is None):
        raise ValueError(
            "`length` must be given for a network that takes sequences of any length and is not streamed, and "
            f"for no other. Received: {length=}, a network with inputs {network.input_shape[1:]}, {streaming=}"
        )
    return _checks.integer("length", length, low=1) if required else None


def _neurons(network, length):
    stages, names = flatten_stages(network, SpikingStage), stage_names(network)
    if not stages:
        return {}
    return {
        "timesteps": timesteps(network) or length,
        "thresholds": {names[stage]: _plain(stage.neuron.cell.threshold) for stage in stages},
    }


def _plain(threshold):
    """Return a threshold as a float, or as nested lists if neurons differ."""
    return as_float(threshold) if not getattr(threshold, "shape", ()) else arrays(threshold)[0].tolist()


def _stimulus_range(model):
    known = getattr(model, "stimulus_range", None)
    return {} if known is None else {"stimulus_range": list(known)}


def _labels(labels, output_shape):
    if labels is None:
        return {}
    preset = {}
    if isinstance(labels, str):
        preset, known = {"preset": labels}, record(labels)
        if "test_accuracy" not in known:  # the network has no scores of classes
            return preset
        labels = known["labels"]
    if not isinstance(labels, Sequence | np.ndarray):
        raise ValueError(
            f"`labels` must be a preset, or a sequence of one label for each class. Received: labels={labels!r}"
        )
    labels = [str(label) for label in labels]
    if len(labels) != output_shape[-1]:
        raise ValueError(
            f"`labels` must hold one label for each of the network's {output_shape[-1]} scores. "
            f"Received: {len(labels)} labels"
        )
    return {"labels": labels, **preset}


def _preprocess(preprocess, input_shape):
    if preprocess is None:
        return {}
    with contextlib.suppress(TypeError, ValueError):
        subtract, divide = (np.asarray(values, "float64") for values in preprocess)
        shapes = {subtract.shape, divide.shape}
        finite = np.isfinite(subtract).all() and np.isfinite(divide).all() and divide.all()
        if finite and shapes <= {(), tuple(input_shape[-1:])}:
            return {"preprocess": [subtract.tolist(), divide.tolist()]}
    raise ValueError(
        "`preprocess` must be a pair (subtract, divide) of finite numbers, or of sequences of "
        f"{input_shape[-1]} finite numbers, without zeros in `divide`. Received: {preprocess=}"
    )
