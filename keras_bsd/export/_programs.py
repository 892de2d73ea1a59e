"""The computation of a file, as a function of tensors by name: here a whole network."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from keras import ops

from keras_bsd.export import _network

Output = Literal["scores", "spike_counts", "firing_rates", "spikes"]
EXTRA_OUTPUTS = {  # computed from a stage's spikes (batch, time, ...)
    "spike_counts": lambda spikes: ops.sum(spikes, axis=1),
    "firing_rates": lambda spikes: ops.mean(spikes, axis=tuple(range(1, len(spikes.shape)))),
    "spikes": lambda spikes: spikes,
}
OUTPUTS = ("scores", *EXTRA_OUTPUTS)


class Program(NamedTuple):
    """A function from a dict of tensors, each with a batch axis, to another such dict."""

    inputs: dict[str, tuple[tuple[int, ...], str]]  # by name the shape of one sample, and the type
    call: Callable[[dict[str, Any]], dict[str, Any]]


def whole(model, outputs, length=None):
    """Return the program of all time steps of a network.

    Args:
        model: built functional or Sequential Keras model.
        outputs: names, of `OUTPUTS`.
        length: int, length of the sequences, for a network that takes sequences of any length.
    """

    def call(tensors):
        scores, spikes = _network.run(model, tensors["stimulus"], need_spikes(outputs))
        return select_outputs(outputs, scores, spikes)

    (stimulus,) = model.inputs
    shape = tuple(length if n is None else n for n in stimulus.shape[1:])
    return Program({"stimulus": (shape, stimulus.dtype)}, call)


def need_spikes(outputs):
    """Return whether some outputs are computed from spikes."""
    return any(kind in EXTRA_OUTPUTS for kind in outputs)


def select_outputs(outputs, scores, spikes):
    """Return a dict of the requested outputs by name, from a network's scores and its stages' spikes."""
    extra = {
        f"{kind}/{stage}": EXTRA_OUTPUTS[kind](values)
        for kind in outputs
        if kind in EXTRA_OUTPUTS
        for stage, values in spikes.items()
    }
    return {"scores": scores, **extra} if "scores" in outputs else extra
