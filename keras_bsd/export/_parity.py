"""Comparison of an exported file with Keras."""

import collections
import contextlib
import functools
import json
from typing import Any

import numpy as np
from keras import ops

from keras_bsd._arrays import as_samples, check_ids, lie_within
from keras_bsd._files import expand
from keras_bsd._optional import require
from keras_bsd._types import ArrayLike, Model, Path
from keras_bsd.export import _streaming as streaming
from keras_bsd.export._network import exported_network, run_with_margins
from keras_bsd.models._data_checks import checked_stimuli
from keras_bsd.models._streamer import has_output_per_element

NEAR_THRESHOLD = 1e-5
BATCH_SIZES = (1, 7, 256)


def check_onnx(model: Model, filepath: Path, x: ArrayLike, y: ArrayLike | None = None) -> dict[str, Any]:
    """Run an exported file and the model on the same stimuli, and compare their outputs.

    The file runs in ONNX Runtime, on batches of 1, 7 and 256 samples in turn. All steps of a file that was
    written with `streaming=True` are compared with the whole network.

    Args:
        model: the exported model.
        filepath: path of the file.
        x: stimuli, `(samples, ...)`.
        y: classes `(samples,)`, or `(samples, elements)` for a network with an output for every element, to
            compare accuracies, too.

    Returns:
        A dict that JSON can hold: `samples`, and `outputs`, a dict from each of the file's outputs to

        - `largest_difference`,
        - `same`: fraction equal to Keras: argmax decisions for scores (classifiers only), single spikes, or
          per-neuron counts,
        - `accuracy` and `keras_accuracy`: for scores, with `y`,
        - `near_threshold`: for spikes and counts, the number that differ in neurons whose membrane comes within
          1e-5 of its threshold, or in samples in which an earlier stage differs already,
        - `unexplained`: for spikes and counts, the number that differ otherwise.

    Raises:
        ValueError: the file is not a complete ONNX file or does not take the model's stimuli, `x` or `y` has
            another shape, or `x` is not finite or out of the `stimulus_range` of the file's metadata.
        ImportError: `onnxruntime`, of the extra `serving`, is not installed.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, timesteps=2, units=(6,))
    >>> keras_bsd.export.export_onnx(model, "network.onnx")
    >>> x = np.random.default_rng(0).uniform(size=(5, 4))
    >>> keras_bsd.export.check_onnx(model, "network.onnx", x)["outputs"]["scores"]["same"]
    1.0
    """
    network, filepath = exported_network(model), expand(filepath, "filepath")
    stimuli = checked_stimuli(model, x).astype(network.inputs[0].dtype)
    labels = None if y is None else _checked_classes(network, y, stimuli)
    session = open_session(filepath)
    check_file_range(session, stimuli, filepath)
    states = _checked_states(network, session, stimuli.shape[1:], filepath)
    run = functools.partial(_run, filepath, session, network, states)
    outputs: dict[str, list] = {}
    for start in range(0, len(stimuli), sum(BATCH_SIZES)):
        chunk = slice(start, start + sum(BATCH_SIZES))
        x_chunk, y_chunk = stimuli[chunk], None if labels is None else labels[chunk]
        batches = [batch for batch in np.split(x_chunk, np.cumsum(BATCH_SIZES[:-1])) if len(batch)]
        by_batch = [run(batch) for batch in batches]
        served = {name: np.concatenate([batch[name] for batch in by_batch]) for name in by_batch[0]}
        expected, margins = _expected(network, x_chunk, with_spikes={*served} != {"scores"})
        for name, result in _compare(network, served, expected, margins, y_chunk).items():
            outputs.setdefault(name, []).append(result)
    return {
        "samples": len(stimuli),
        "outputs": {name: _summarize(results) for name, results in outputs.items()},
    }


def check_file_range(session, x, filepath):
    """Raise unless stimuli lie in the range that a file's metadata has, if it has one."""
    metadata = session.get_modelmeta().custom_metadata_map
    with readable(filepath):
        low, high = map(float, json.loads(metadata.get("stimulus_range", "[-Infinity, Infinity]")))
    if not lie_within(float(x.min()), float(x.max()), low, high):
        raise ValueError(
            f"`x` must lie in the range of stimuli that {filepath} expects, {low:g} to {high:g}. Received: "
            f"values from {x.min():g} to {x.max():g}. Preprocess `x` as for training."
        )


def _checked_classes(network, y, stimuli):
    shape = stimuli.shape[: 2 if has_output_per_element(network) else 1]
    y = as_samples("y", y)
    if y.shape != shape:
        raise ValueError(f"`y` must be classes of shape {shape}. Received: shape={y.shape}")
    if _has_classes(network):
        check_ids("Classes", y, network.output_shape[-1])
    return y


def _checked_states(network, session, shape, filepath):
    """Return a dict from the name of each state in the file to its shape of one sample."""
    inputs = [(entry.name, tuple(entry.shape[1:])) for entry in session.get_inputs()]
    states = dict(inputs[1:])
    expected = ("stimulus", shape[1:] if states and streaming.takes_series(network) else shape)
    outputs = {output.name for output in session.get_outputs()}
    following = {streaming.NEXT + name.removeprefix(streaming.STATE) for name in states}
    if inputs[:1] != [expected] or not following <= outputs:
        raise ValueError(
            f"{filepath} must be a file of this model, whose input is {expected}. Received: inputs {inputs}, "
            f"outputs {sorted(outputs)}. Export the model again."
        )
    return states


def open_session(filepath):
    """Return an ONNX Runtime session of a file.

    Raises:
        ValueError: it is not a complete ONNX file.
    """
    onnxruntime = require("onnxruntime", "Running ONNX files", "serving")
    with readable(filepath):
        return onnxruntime.InferenceSession(str(filepath), providers=["CPUExecutionProvider"])


@contextlib.contextmanager
def readable(filepath):
    """Turn any error within the block into one that names the file.

    Raises:
        ValueError: the block raised an error.
    """
    try:
        yield
    except ImportError:
        raise
    except Exception as error:  # those of ONNX and ONNX Runtime have no base class of their own
        raise ValueError(
            f"{filepath} must be an ONNX file, but it is missing, incomplete or damaged. Received: {error}. "
            "Export it again."
        ) from error


def _run(filepath, session, network, states, batch):
    """Return the file's outputs by name, after all steps if it was written for streaming."""
    names = [output.name for output in session.get_outputs()]

    def function(inputs):
        try:
            return dict(zip(names, session.run(None, inputs), strict=True))
        except Exception as error:  # ONNX Runtime's errors have no base class of their own
            raise ValueError(
                f"{filepath} must be a file of this model, but fails on its stimuli: {error}"
            ) from error

    return streaming.run(function, states, network, batch) if states else function({"stimulus": batch})


def _expected(network, x, with_spikes):
    """Return Keras's outputs by name as in the file, and how close membranes come to the threshold."""
    all_spikes, margins = run_with_margins(network, ops.convert_to_tensor(x)) if with_spikes else ({}, {})
    expected, by_output = {"scores": network.predict_on_batch(x)}, {}
    for stage in all_spikes:
        spikes, margin = map(ops.convert_to_numpy, (all_spikes[stage], margins[stage]))
        expected[f"spikes/{stage}"], by_output[f"spikes/{stage}"] = spikes, margin[:, None]
        expected[f"spike_counts/{stage}"], by_output[f"spike_counts/{stage}"] = spikes.sum(axis=1), margin
        expected[f"firing_rates/{stage}"] = spikes.reshape(len(x), -1).mean(axis=1)
    return expected, by_output


def _has_classes(network):
    *axes, classes = network.output_shape
    return classes > 1 and (len(axes) == 1 or has_output_per_element(network))


def _compare(network, served, expected, margins, labels):
    """Return results by output; spikes in calling order, since a difference spreads to later stages."""
    results = {}
    # For spikes and for counts: samples whose earlier stages do not differ.
    equal = collections.defaultdict(lambda: np.ones(len(expected["scores"]), bool))
    for name in [name for name in expected if name in served]:
        result = results[name] = {"largest_difference": float(abs(served[name] - expected[name]).max())}
        if name in margins:
            differing = served[name] != expected[name]
            kind = name.split("/")[0]
            behind = ~equal[kind].reshape(-1, *[1] * (differing.ndim - 1))
            explained = differing & (behind | (margins[name] <= NEAR_THRESHOLD))
            equal[kind] &= ~differing.reshape(len(differing), -1).any(axis=1)
            result["near_threshold"] = int(explained.sum())
            result["unexplained"] = int(differing.sum() - explained.sum())
            result["same"] = ~differing
        elif name == "scores" and _has_classes(network):
            predicted, by_keras = served[name].argmax(axis=-1), expected[name].argmax(axis=-1)
            result["same"] = predicted == by_keras
            if labels is not None:
                result |= {"accuracy": predicted == labels, "keras_accuracy": by_keras == labels}
    return results


def _summarize(chunks):
    """Return one result for all chunks: the maximum difference, means of booleans, and sums of counts."""
    summary = {}
    for key in chunks[0]:
        values = [chunk[key] for chunk in chunks]
        if isinstance(values[0], np.ndarray):
            summary[key] = float(np.mean(np.concatenate([value.ravel() for value in values])))
        else:
            summary[key] = max(values) if key == "largest_difference" else sum(values)
    return summary
