"""The one way to watch layers at work, which leaves the model as it was."""

import contextlib
import functools

import keras
import numpy as np
from keras import ops

from keras_bsd.layers._stage import SpikingStage, flatten_stages
from keras_bsd.layers._time_loop import unrolled


@contextlib.contextmanager
def observe(layers, observer):
    """Within the block, pass every call of one of `layers` to `observer`.

    Args:
        layers: Keras layers.
        observer: function `(layer, arguments, outputs)` of the call's positional arguments and its outputs; it
            returns the outputs to continue with.
    """
    layers = list({id(layer): layer for layer in layers}.values())
    for layer in layers:
        layer.__dict__["call"] = _observed(layer, layer.call, observer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.__dict__["call"]


def _observed(layer, call, observer):
    @functools.wraps(call)
    def observed(inputs, *args, **kwargs):
        return observer(layer, (inputs, *args), call(inputs, *args, **kwargs))

    return observed


def arrays(tensors):
    """Return the tensors of a structure as a flat list of NumPy arrays."""
    return [np.asarray(ops.convert_to_numpy(tensor)) for tensor in keras.tree.flatten(tensors)]


def run_with_spikes(network, inputs):
    """Run a network at inference.

    Returns:
        Its outputs, and a dict from each spiking stage's name to its spikes `(batch, time, ...)`, in the
        network's order.
    """
    stages = flatten_stages(network, SpikingStage)
    spikes = {}

    def record(stage, _, outputs):
        spikes[stage.name] = outputs
        return outputs

    with observe(stages, record):
        outputs = network.call(inputs, training=False)
    return outputs, {stage.name: spikes[stage.name] for stage in stages}


def run_with_membranes(network, inputs, stages):
    """Run a network at inference.

    Returns:
        A dict from the name of each of `stages` to its membranes before the reset, `(batch, time, ...)`. The time
        steps of a sequence's elements follow each other.
    """
    stage_of = {stage.neuron.cell: stage.name for stage in stages}
    membranes = {stage.name: [] for stage in stages}

    def record(cell, arguments, outputs):
        membranes[stage_of[cell]].append(cell.charge(*arguments[:2]))
        return outputs

    with unrolled(), observe(stage_of, record):
        network.call(inputs, training=False)
    return {name: ops.stack(steps, axis=1) for name, steps in membranes.items()}


class SpikeRecorder(keras.Model):
    """A model of a network's inputs that outputs the spikes of all its stages, a dict by name."""

    def __init__(self, network):
        super().__init__(name="spike_recorder")
        self._network = network

    def call(self, inputs):
        return run_with_spikes(self._network, inputs)[1]
