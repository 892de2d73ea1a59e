"""What a classifier decides at each time step, by the spikes so far."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks, _rules
from keras_bsd._arrays import as_samples, check_ids
from keras_bsd._observe import arrays, observe
from keras_bsd._types import ArrayLike, Model
from keras_bsd.audit._networks import checked_network
from keras_bsd.layers import Readout, SequenceReadout
from keras_bsd.layers._stage import walk
from keras_bsd.models._data_checks import checked_stimuli


def decisions_over_time(
    network: Model, x: ArrayLike, y: ArrayLike | None = None, batch_size: int = 128
) -> dict[str, Any]:
    """Return what a classifier decides at each time step, or element of a sequence, by the spikes so far.

    Args:
        network: a pair or its encoder, which ends in a `Readout`, or in a `SequenceReadout` with
            `targets="mean"`.
        x: stimuli `(samples, ...)`.
        y: classes `(samples,)`, for accuracies.
        batch_size: positive int.

    Returns:
        Dict of NumPy arrays: `decisions` `(samples, time)`, classes; `latency` `(samples,)`, the number of time
        steps after which the decision is the last one for good; with `y` `accuracy` `(time,)`, the fraction of
        right decisions. The decision on a sample that is padded is unchanged by its padding.

    Raises:
        ValueError: the network does not end in such a readout, or `x` or `y` have other shapes or values.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, timesteps=5, units=(8, 6))
    >>> x = np.random.default_rng(0).random((10, 4))
    >>> result = keras_bsd.audit.decisions_over_time(model, x, np.arange(10) % 3)
    >>> result["decisions"].shape, result["accuracy"].shape
    ((10, 5), (5,))
    """
    encoder = checked_network(network, "network")
    readout = list(walk(encoder))[-1]
    is_mean = type(readout) in (Readout, SequenceReadout) and getattr(readout, "targets", "mean") == "mean"
    if not is_mean or getattr(network, "task", "classification") != "classification":
        raise ValueError(
            "Decisions over time are those of a classifier that ends in a Readout, or a SequenceReadout with "
            f'targets="mean". Received: the last layer {readout!r}'
        )
    batch_size = _checks.integer("batch_size", batch_size, low=1)
    stimuli = checked_stimuli(network, x).astype("float32")
    scores = np.concatenate(
        [
            _scores(encoder, readout, stimuli[start : start + batch_size])
            for start in range(0, len(stimuli), batch_size)
        ]
    )
    classes = scores.shape[-1]
    boundary = 0.0 if readout.activation is keras.activations.linear else 0.5  # of logits, or of probabilities
    decisions = scores[..., 0] > boundary if classes == 1 else scores.argmax(axis=-1)
    final = decisions == decisions[:, -1:]
    result = {
        "decisions": decisions.astype(int),
        "latency": final.shape[1] - np.cumprod(final[:, ::-1], axis=1).sum(axis=1) + 1,
    }
    if y is not None:
        labels = as_samples("y", y)
        if labels.shape != stimuli.shape[:1]:
            raise ValueError(
                f"`y` must be classes of shape {stimuli.shape[:1]}. Received: shape={labels.shape}"
            )
        check_ids("Classes", labels, max(classes, 2))
        result["accuracy"] = (decisions == labels[:, None]).mean(axis=0)
    return result


def _scores(encoder, readout, stimuli):
    """Return the readout's scores `(batch, time, classes)` for the firing rates up to each time step."""
    inputs = []

    def record(_, arguments, outputs):
        inputs.append(arguments[0])
        return outputs

    with observe([readout], record), _Inference() as scope:
        encoder(ops.convert_to_tensor(stimuli), training=False)
    (spikes,) = arrays(inputs)
    if isinstance(readout, SequenceReadout):
        spikes = spikes.mean(axis=2)
    present = np.ones(spikes.shape[:2]) if readout not in scope.masks else arrays(scope.masks[readout])[0]
    present = present.reshape(*present.shape, *[1] * (spikes.ndim - 2)).astype("float32")
    rates = np.cumsum(spikes * present, axis=1) / np.maximum(np.cumsum(present, axis=1), 1)
    flat = ops.convert_to_tensor(rates.reshape(-1, *rates.shape[2:]).astype("float32"))
    scores = ops.convert_to_numpy(readout.activation(readout.synapse(flat, training=False)))
    return scores.reshape(*spikes.shape[:2], -1)


class _Inference(_rules.LocalLearning):
    """Scope that records masks."""

    def __init__(self):
        super().__init__(lambda stage, inputs, training: (stage.spikes(inputs, training), None))
