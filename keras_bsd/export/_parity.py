"""Does an exported file compute what Keras computes?"""

import collections
import functools

import numpy as np
from keras import ops

from keras_bsd import _checks
from keras_bsd._optional import require
from keras_bsd.export import _network
from keras_bsd.export import _streaming as streaming
from keras_bsd.models._streamer import has_output_per_element

NEAR_THRESHOLD = 1e-5
BATCH_SIZES = (1, 7, 256)


def check_onnx(model, filepath, x, y=None):
    """Run an exported file and the model on the same stimuli, and compare what they give.

    The file runs in ONNX Runtime, on batches of 1, 7 and 256 samples by turns; one that was written for
    streaming takes all steps, and is compared with the whole network.

    Args:
        model: what was exported.
        filepath: of the file.
        x: array of stimuli, `(samples, ...)`.
        y: classes `(samples,)`, or of a network that says something of every element `(samples, elements)`,
            to compare accuracies of the scores too.

    Returns:
        A dict that JSON can hold: `samples`, and `outputs`, for each of the file's outputs by name

        - `largest_difference`,
        - `same`: of scores the part of the decisions, which score is highest, that are the same (absent
          where there are no classes), of spikes the part of them, of spike counts the part of the neurons'
          counts,
        - `accuracy` and `keras_accuracy`: of scores, if there is `y`,
        - `near_threshold`: of spikes and their counts, how many differ in neurons whose membrane comes
          within 1e-5 of its threshold, or in samples of which an earlier stage differs already,
        - `unexplained`: of spikes and their counts, how many differ otherwise.

    Raises:
        ValueError: the file is no whole ONNX file, or does not take the model's stimuli, or `x` or `y` is
            of another shape.

    Example:

    >>> keras_bsd.export.check_onnx(model, "digits.onnx", x_test)["outputs"]["scores"]["same"]
    1.0
    """
    network = _network.exported_network(model)
    given, x = type(x).__name__, np.asarray(x)
    shape = x.shape[1:]
    expected = network.input_shape[1:]
    if not _checks.shape_matches(shape, expected) or not len(x):
        expected = f"(samples, {', '.join(map(str, expected))})"
        raise ValueError(f"`x` must be an array of shape {expected}. Received: {given} of shape {x.shape}")
    decisions = x.shape[: 2 if has_output_per_element(network) else 1]
    if y is not None and np.shape(y) != decisions:
        expected = f"({', '.join(map(str, decisions))}{',' * (len(decisions) == 1)})"
        raise ValueError(f"`y` must have shape {expected}, classes. Received: shape={np.shape(y)}")
    session = open_session(filepath)
    stimulus, *states = [(given.name, tuple(given.shape[1:])) for given in session.get_inputs()]
    taken = shape[1:] if states and streaming.takes_series(network) else shape
    if stimulus != ("stimulus", taken):
        raise ValueError(f"{filepath} is not of this model, which takes stimuli {taken}. Received: {stimulus}")
    run = functools.partial(_run, session, network, dict(states))
    x, outputs = x.astype(network.inputs[0].dtype), {}
    for start in range(0, len(x), sum(BATCH_SIZES)):
        part = slice(start, start + sum(BATCH_SIZES))
        chunk, classes = x[part], None if y is None else np.asarray(y)[part]
        batches = [batch for batch in np.split(chunk, np.cumsum(BATCH_SIZES[:-1])) if len(batch)]
        given = [run(batch) for batch in batches]
        served = {name: np.concatenate([outputs[name] for outputs in given]) for name in given[0]}
        for name, found in _compared(network, served, *_expected(network, chunk), classes).items():
            outputs.setdefault(name, []).append(found)
    return {"samples": len(x), "outputs": {name: _summary(found) for name, found in outputs.items()}}


def open_session(filepath):
    """An ONNX Runtime session for a file.

    Raises:
        ValueError: it is no whole ONNX file.
    """
    onnxruntime = require("onnxruntime", "Running ONNX files", "serving")
    try:
        return onnxruntime.InferenceSession(str(filepath), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's have no base of their own
        raise ValueError(
            f"{filepath} is not an ONNX file that can be run: it is missing, was cut short or changed. "
            f"Export it again. Received: {error}"
        ) from error


def _run(session, network, states, batch):
    """What the file gives, by name, after all its steps if it was written for streaming."""
    names = [output.name for output in session.get_outputs()]

    def function(inputs):
        return dict(zip(names, session.run(None, inputs), strict=True))

    return streaming.run(function, states, network, batch) if states else function({"stimulus": batch})


def _expected(network, chunk):
    """What Keras gives, by name as in the file, and by stage how close membranes come to the threshold."""
    stimuli = ops.convert_to_tensor(chunk)
    _, trains = _network.run(network, stimuli)
    distances = _network.threshold_distances(network, stimuli)
    expected, margins = {"scores": network.predict_on_batch(chunk)}, {}
    for name, train in trains.items():
        spikes, margin = map(ops.convert_to_numpy, (train, distances[name]))
        expected[f"spikes/{name}"], margins[f"spikes/{name}"] = spikes, margin[:, None]
        expected[f"spike_counts/{name}"], margins[f"spike_counts/{name}"] = spikes.sum(axis=1), margin
        expected[f"firing_rates/{name}"] = spikes.reshape(len(chunk), -1).mean(axis=1)
    return expected, margins


def _gives_classes(network):
    *axes, classes = network.output_shape
    return classes > 1 and (len(axes) == 1 or has_output_per_element(network))


def _compared(network, served, expected, margins, classes):
    """By output what is the same; spikes in calling order, since a difference spreads from there."""
    found = {}
    # Of spikes and of counts the samples whose stages have not differed so far.
    alike = collections.defaultdict(lambda: np.ones(len(expected["scores"]), bool))
    for name in [name for name in expected if name in served]:
        found[name] = {"largest_difference": float(abs(served[name] - expected[name]).max())}
        if name in margins:
            differing = served[name] != expected[name]
            kind = name.split("/")[0]
            behind = ~alike[kind].reshape(-1, *[1] * (differing.ndim - 1))
            explained = differing & (behind | (margins[name] <= NEAR_THRESHOLD))
            alike[kind] &= ~differing.reshape(len(differing), -1).any(axis=1)
            found[name]["near_threshold"] = int(explained.sum())
            found[name]["unexplained"] = int(differing.sum() - explained.sum())
            found[name]["same"] = ~differing
        elif name == "scores" and _gives_classes(network):
            decided, by_keras = served[name].argmax(axis=-1), expected[name].argmax(axis=-1)
            found[name]["same"] = decided == by_keras
            if classes is not None:
                found[name] |= {"accuracy": decided == classes, "keras_accuracy": by_keras == classes}
    return found


def _summary(chunks):
    """Of all chunks together: the largest difference, the mean of what is true or not, the sum of the rest."""
    summary = {}
    for key in chunks[0]:
        parts = [chunk[key] for chunk in chunks]
        if isinstance(parts[0], np.ndarray):
            summary[key] = float(np.mean(np.concatenate([part.ravel() for part in parts])))
        else:
            summary[key] = max(parts) if key == "largest_difference" else sum(parts)
    return summary
