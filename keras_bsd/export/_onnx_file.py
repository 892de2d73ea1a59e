"""Networks as ONNX files."""

import contextlib
import json

import numpy as np

from keras_bsd import _checks
from keras_bsd._optional import require
from keras_bsd._version import __version__
from keras_bsd.applications import _presets as presets
from keras_bsd.export import _conversion, _network
from keras_bsd.export._paths import atomic_export
from keras_bsd.export._programs import OUTPUTS
from keras_bsd.export._streaming import timesteps
from keras_bsd.layers._stage import SpikingStage, flatten_stages

OPSETS = range(13, 19)  # what tf2onnx writes


def export_onnx(
    model,
    filepath,
    *,
    outputs=("scores",),
    labels=None,
    preprocess=None,
    opset=None,
    streaming=False,
    length=None,
):
    """Write the network that serves, without its decoder, as an ONNX file.

    The file's input is `stimulus`, `(batch, ...)` with any batch size. Time steps are written out, a
    held stimulus's current is computed once, and neurons spike by a plain threshold. The file has
    passed ONNX's own full check before it takes the place of an earlier one.

    Args:
        model: a `BSDModel`, of which the encoder is exported, or any built Sequential or functional
            Keras model with one input and one output, such as its decoder.
        filepath: path ending in `.onnx`.
        outputs: what the file gives, one or several of `"scores"`, what the network gives, be it scores,
            values or a stimulus, `(batch, ...)`; `"spike_counts"`, how often each neuron spikes,
            `(batch, ...)`, named `spike_counts/STAGE` for each spiking stage; `"firing_rates"`, mean
            spikes per neuron and time step, `(batch,)`, named `firing_rates/STAGE`; `"spikes"`, each
            neuron's spikes, `(batch, time, ...)`, named `spikes/STAGE`. Of a sequence the time steps of
            all elements follow each other.
        labels: name of a preset, or a sequence of one label for each class, for the file's metadata.
        preprocess: pair `(subtract, divide)` of numbers, or of sequences along the input's last axis,
            for the metadata: `(x - subtract) / divide` makes a stimulus of raw data. The file itself
            takes stimuli. `(0, 255)` is what `keras_bsd.applications.preprocess_input` does.
        opset: int from 13 to 18 (default 18), the version of ONNX's operations.
        streaming: write one time step, for stimuli that come in step by step. The file then takes all
            states as further inputs `state/...`, which start at zero, and gives those for the next step
            as `next_state/...`. `stimulus` has no time axis; a held stimulus is given at every step.
            Scores are those of the firing rates so far; counts, rates and spikes those of the step. Of
            recurrent stages a step is an element of a sequence, and scores are what the network says after
            it.
        length: positive int, how many elements or time steps the file takes, of a network that takes
            sequences of any length and is not streamed.

    Raises:
        ValueError: an argument is out of range, the model is not built, or a layer cannot be exported or
            streamed. No file is left behind, and an earlier one stays as it was.

    The metadata, each value in JSON: `labels`, `preprocess`, `timesteps`, `thresholds` by stage,
    `preset`, `streaming`, `keras_bsd`, the library's version; those that are not known are left out.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP(weights="mnist_dense")
    >>> keras_bsd.export.export_onnx(model, "mnist.onnx", labels="mnist_dense", preprocess=(0, 255))
    """
    network = _network.exported_network(model)
    outputs = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    for name in outputs or [None]:
        _checks.one_of("outputs", name, OUTPUTS)
    opset = _checks.one_of("opset", OPSETS[-1] if opset is None else opset, OPSETS)
    length = _length(length, network, streaming)
    metadata = {
        **_described(network, length),
        **_labels(labels, network.output_shape),
        **_preprocess(preprocess, network.input_shape),
        "streaming": bool(streaming),
        "keras_bsd": __version__,
    }
    with atomic_onnx(filepath) as written:
        proto = _conversion.graph(network, outputs, opset, bool(streaming), length)
        proto.producer_name, proto.producer_version = "keras_bsd", __version__
        onnx = require_onnx()
        onnx.helper.set_model_props(proto, {name: json.dumps(value) for name, value in metadata.items()})
        onnx.save(proto, written)


def require_onnx():
    """Return the package `onnx`."""
    return require("onnx", "Export to ONNX")


@contextlib.contextmanager
def atomic_onnx(filepath):
    """Give a path to write an ONNX file to, which takes `filepath`'s place once ONNX has checked it."""
    with atomic_export(filepath, ".onnx") as written:
        yield written
        require_onnx().checker.check_model(written, full_check=True)


def _length(length, network, streaming):
    wanted = not streaming and None in network.input_shape[1:]
    if wanted == (length is None):
        takes = f"takes {network.input_shape[1:]}" + ", one moment at a time" * streaming
        raise ValueError(
            "`length` is wanted where a whole network takes sequences of any length, and only there. Received: "
            f"{length=}, a network that {takes}"
        )
    return _checks.integer("length", length, low=1) if wanted else None


def _described(network, length):
    stages = flatten_stages(network, SpikingStage)
    if not stages:
        return {}
    return {
        "timesteps": timesteps(network) or length,
        "thresholds": {stage.name: float(stage.neuron.cell.threshold) for stage in stages},
    }


def _labels(labels, output_shape):
    if labels is None:
        return {}
    preset = {}
    if isinstance(labels, str):
        preset, known = {"preset": labels}, presets.record(labels)
        if known["task"] in ("generation", "forecast"):  # which give no scores of classes
            return preset
        labels = known["labels"]
    labels = [str(label) for label in labels]
    if len(labels) != output_shape[-1]:
        raise ValueError(
            f"`labels` must be one for each of the network's {output_shape[-1]} scores. "
            f"Received: {len(labels)} labels"
        )
    return {"labels": labels, **preset}


def _preprocess(preprocess, input_shape):
    if preprocess is None:
        return {}
    with contextlib.suppress(TypeError, ValueError):
        subtract, divide = (np.asarray(part, "float64") for part in preprocess)
        shapes = {part.shape for part in (subtract, divide)}
        finite = np.isfinite(subtract).all() and np.isfinite(divide).all() and divide.all()
        if finite and shapes <= {(), tuple(input_shape[-1:])}:
            return {"preprocess": [subtract.tolist(), divide.tolist()]}
    raise ValueError(
        "`preprocess` must be a pair (subtract, divide) of finite numbers, or of sequences of "
        f"{input_shape[-1]} of them, none to divide by zero. Received: {preprocess=}"
    )
