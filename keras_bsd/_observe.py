"""Observation of layers while a model runs; afterwards the model is unchanged."""

import contextlib
import functools

import keras
import numpy as np
from keras import ops

from keras_bsd.layers._stage import SpikingStage, flatten_stages, stage_names
from keras_bsd.layers._time_loop import at_once, unrolled


@contextlib.contextmanager
def observe(layers, observer):
    """Pass every call of one of `layers` within the block to `observer`. Blocks may be nested.

    Networks are run as if memory did not matter, all time steps at once.

    Args:
        layers: Keras layers.
        observer: function `(layer, arguments, outputs)` of a call's positional arguments and outputs, which
            returns the outputs to continue with.
    """
    layers = list({id(layer): layer for layer in layers}.values())
    names = [
        "call" if getattr(layer, "quantization_mode", None) is None else "quantized_call" for layer in layers
    ]
    previous = [layer.__dict__.get(name) for layer, name in zip(layers, names, strict=True)]
    for layer, name in zip(layers, names, strict=True):
        layer.__dict__[name] = _observed(layer, getattr(layer, name), observer)
    try:
        with at_once():
            yield
    finally:
        for layer, name, call in zip(layers, names, previous, strict=True):
            del layer.__dict__[name]
            if call is not None:
                layer.__dict__[name] = call


def _observed(layer, call, observer):
    @functools.wraps(call)
    def observed(inputs, *args, **kwargs):
        return observer(layer, (inputs, *args), call(inputs, *args, **kwargs))

    return observed


def arrays(tensors):
    """Return the tensors of a structure as a flat list of NumPy arrays."""
    return [np.asarray(ops.convert_to_numpy(tensor)) for tensor in keras.tree.flatten(tensors)]


def join_time_steps(stage, spikes):
    """Return a stage's spikes as `(batch, time, ...)`, with the time steps of elements one after another."""
    if len(spikes.shape) == 2 + len(stage.output_features):
        return spikes
    elements, steps = spikes.shape[1:3]
    if isinstance(elements, int):
        return ops.reshape(spikes, (-1, elements * steps, *stage.output_features))
    return ops.reshape(spikes, (ops.shape(spikes)[0], -1, *stage.output_features))


def _check_first_call(stage, recorded, network):
    """Raise if a stage has been recorded before: results are reported by stage."""
    if stage in recorded:
        raise ValueError(
            "Each stage must be called once, because spikes are reported by stage. Received: several calls of "
            f"'{stage.name}' in '{network.name}'. Make a stage for each call."
        )


def run_with_spikes(network, inputs):
    """Run a network at inference and record the spikes of its stages.

    Returns:
        The network's outputs, and a dict from the name (see `stage_names`) of each spiking stage that was
        called to its spikes `(batch, time, ...)`, in the network's order.

    Raises:
        ValueError: a stage is called twice.
    """
    spikes = {}

    def record(stage, _, outputs):
        _check_first_call(stage, spikes, network)
        spikes[stage] = outputs
        return outputs

    with observe(flatten_stages(network, SpikingStage), record):
        outputs = network.call(inputs, training=False)
    names = stage_names(network)
    return outputs, {name: spikes[stage] for stage, name in names.items() if stage in spikes}


def run_with_membranes(network, inputs, stages):
    """Run a network at inference, with unrolled time loops, and record spikes and membranes of `stages`.

    Returns:
        Three dicts by the name of each stage: spikes, and membranes before the reset and their distances from
        the threshold, all `(batch, time, ...)`, with the time steps of elements one after another.

    Raises:
        ValueError: a stage is called twice.
    """
    charges, names = {stage.neuron.cell: [] for stage in stages}, stage_names(network)
    spikes, membranes, distances = {}, {}, {}

    def record(layer, arguments, outputs):
        if layer in charges:
            charged = layer.charge(*arguments[:2])
            charges[layer].append((charged[0], layer.distance(charged)))
            return outputs
        _check_first_call(layer, spikes, network)
        spikes[layer] = join_time_steps(layer, outputs)
        steps = charges[layer.neuron.cell][-spikes[layer].shape[1] :]  # stages may share their neuron
        membranes[layer], distances[layer] = (ops.stack(values, axis=1) for values in zip(*steps, strict=True))
        return outputs

    with unrolled(), observe([*charges, *stages], record):
        network.call(inputs, training=False)
    return tuple(
        {names[stage]: values for stage, values in by_stage.items()}
        for by_stage in (spikes, membranes, distances)
    )


class SpikeRecorder(keras.Model):
    """Model that maps a network's inputs to the spikes of its stages, a dict by name."""

    def __init__(self, network):
        super().__init__(name="spike_recorder")
        self._network = network

    def call(self, inputs):
        return run_with_spikes(self._network, inputs)[1]
