"""What a file computes, as a function of tensors by name: here a network as a whole."""

from collections.abc import Callable
from typing import NamedTuple

from keras import ops

from keras_bsd.export import _network

EXTRA_OUTPUTS = {  # what is made of a stage's spikes (batch, time, ...)
    "spike_counts": lambda spikes: ops.sum(spikes, axis=1),
    "firing_rates": lambda spikes: ops.mean(spikes, axis=tuple(range(1, len(spikes.shape)))),
    "spikes": lambda spikes: spikes,
}
OUTPUTS = ("scores", *EXTRA_OUTPUTS)


class Program(NamedTuple):
    """A function from a dict of tensors, each with a batch axis, to another."""

    inputs: dict  # by name the shape of one sample, and the type
    call: Callable


def whole(model, outputs, length=None):
    """All time steps of a network.

    Args:
        model: built functional or Sequential Keras model.
        outputs: names, of `OUTPUTS`.
        length: int, of the sequences of a network that takes any.
    """

    def call(tensors):
        scores, trains = _network.run(model, tensors["stimulus"])
        return select_outputs(outputs, scores, trains)

    (stimulus,) = model.inputs
    shape = tuple(length if n is None else n for n in stimulus.shape[1:])
    return Program({"stimulus": (shape, stimulus.dtype)}, call)


def select_outputs(outputs, scores, trains):
    """By name the outputs that are asked for, of a network's scores and its stages' spikes."""
    extra = {
        f"{kind}/{stage}": EXTRA_OUTPUTS[kind](spikes)
        for kind in outputs
        if kind in EXTRA_OUTPUTS
        for stage, spikes in trains.items()
    }
    return {"scores": scores, **extra} if "scores" in outputs else extra
