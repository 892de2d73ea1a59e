"""Counts of a layer's operations on the inputs that it receives; `LayerCost` has the table of prices.

A recurrent stage is counted as one layer, except for its neurons. Its counterpart in the network without time
is a recurrent layer of the same delays, with ReLU.
"""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_bsd._observe import arrays
from keras_bsd._types import Array, Layer
from keras_bsd.layers import (
    CausalStandardization,
    Destandardize,
    Readout,
    SequenceReadout,
    SpikingALIFCell,
    SpikingCuBaLIFCell,
    SpikingIFCell,
    SpikingLIF,
    SpikingLIFCell,
    SpikingNeurons,
    SpikingRecurrent,
)
from keras_bsd.layers._kinds import KERNEL_LAYERS, classes_with
from keras_bsd.layers._skip_conv import SkipConv2D


class Call(NamedTuple):
    """One call of a layer on a batch."""

    layer: Layer
    inputs: Array  # with a time axis for `SpikingNeurons` and stages
    outputs: Array
    steps: float  # rows of `inputs` for each sample: its time steps


class Operations(NamedTuple):
    """Operations on a batch, and those of the layer's counterpart in a network without time."""

    macs: float = 0
    acs: float = 0
    synaptic_operations: float = 0  # the ACs that arriving spikes cause
    neuron_updates: float = 0
    ann_macs: float = 0
    ann_acs: float = 0


def count(call):
    """Return the `Operations` of a `Call` without the layer's activation, or None if its class is unknown."""
    rule = COUNTERS.get(type(call.layer))
    return None if rule is None else rule(call)


def signals(inputs):
    """Return two masks of inputs: 1 and -1, which are accumulated, and the other ones that are not zero."""
    spikes = np.abs(inputs) == 1
    return spikes, (inputs != 0) & ~spikes


def kernels(layer):
    """Return the weights besides the bias of one of `KERNEL_LAYERS`, a list of arrays."""
    parts = [layer.convolution, layer.skip] if isinstance(layer, SkipConv2D) else [layer]
    return arrays([part.kernel for part in parts])


def connections(layer, active, pruned=False):
    """Return the number of pairs of an active input and a weight that it meets, at all places of a map.

    The layer is applied with all weights and all active inputs set to one.

    Args:
        layer: one of `KERNEL_LAYERS`.
        active: booleans of the shape of its inputs.
        pruned: bool, leave out weights of zero.
    """
    if not active.any():
        return 0.0
    config = {**layer.get_config(), "dtype": "float32"}
    if "activation" in config:
        config["activation"] = "linear"
    copy = type(layer).from_config(config)
    copy.build((None, *active.shape[1:]))
    ones = [(weight, ops.full(weight.shape, float(weight.name != "bias"))) for weight in copy.weights]
    if pruned:
        weights = [weight for weight in copy.weights if weight.name != "bias"]
        present = [ops.convert_to_tensor((kernel != 0).astype("float32")) for kernel in kernels(layer)]
        ones += zip(weights, present, strict=True)
    # PyTorch would assign no weight here, while a layer of less precision runs.
    with keras.StatelessScope(ones):
        sums = ops.convert_to_numpy(copy(ops.convert_to_tensor(active.astype("float32"))))
    return float(np.rint(sums).sum(dtype="float64"))


def _kernel(call):
    layer, inputs, outputs = call.layer, call.inputs, call.outputs
    each = connections(layer, np.ones((1, *inputs.shape[1:]), bool))
    samples = len(inputs) / call.steps
    biases = outputs.size if getattr(layer, "use_bias", getattr(layer, "bias", None) is not None) else 0
    spikes, analogue = signals(inputs)
    arriving, macs = connections(layer, spikes), connections(layer, analogue)
    return Operations(macs, arriving + biases, arriving, 0, each * samples, biases / call.steps)


def _neuron(call):
    """Count leaks and inputs, the comparison with the threshold, and resets; None for unknown cells."""
    cell, size = call.layer.cell, call.inputs.size
    if type(cell) not in _LEAKS:
        return None
    macs, acs = (sum(counts) for counts in zip(*map(_leaky_sum, _LEAKS[type(cell)](cell)), strict=True))
    macs += type(cell) is SpikingALIFCell  # the threshold with its shift
    acs = size * (acs + 1 + (cell.refractory_steps > 0))
    if cell.reset == "soft":
        acs += float(call.outputs.sum(dtype="float64"))
    rectified = size / call.inputs.shape[1]
    return Operations(macs * size, acs, 0, size, 0, rectified)


def _leaky_sum(leak):
    """Return the MACs and ACs of one time step of a state that leaks and adds its input."""
    if isinstance(leak, float):  # otherwise it is a weight
        return {0.0: (0, 0), 1.0: (0, 1)}.get(leak, (1, 0))
    return 1, 0


_LEAKS = {
    SpikingIFCell: lambda cell: [1.0],
    SpikingLIFCell: lambda cell: [cell.leak],
    SpikingCuBaLIFCell: lambda cell: [cell.leak, cell.synaptic_leak],
    SpikingALIFCell: lambda cell: [cell.leak, cell.adaptation_leak],
}


def _readout(call):
    """Count the mean over time; the layers of the synapse are counted on their own."""
    return Operations(call.inputs.size / call.inputs.shape[1], np.count_nonzero(call.inputs))


def _sequence_readout(call):
    """Count the mean over the time steps of each element with an output."""
    read = call.inputs if call.layer.targets == "all" else call.inputs[:, -1:]
    return Operations(read.size / call.inputs.shape[2], np.count_nonzero(read))


def _recurrent(call):
    """Count a stage without its neurons: inputs of each element and of `delays - 1` before it, and feedback."""
    layer = call.layer
    batch, elements, _, units = call.outputs.shape
    reached = np.minimum(layer.delays, elements - np.arange(elements))  # elements that each one affects
    each = units * math.prod(layer.input_features) * reached.sum()
    arriving = units * float(call.outputs[:, :-1].sum(dtype="float64"))  # by feedback
    spikes, analogue = (
        units * float(mask.reshape(batch, elements, -1).sum(axis=(0, 2)) @ reached)
        for mask in signals(call.inputs)
    )
    arriving += spikes
    macs_each, acs_each = (2, 2) if layer.normalization else (0, 1)  # normalisation, or the bias
    other = _per_value(batch * elements * units, 1, macs_each, acs_each)
    return Operations(
        analogue + other.macs,
        arriving + other.acs,
        arriving,
        0,
        batch * (each + (elements - 1) * units**2) + other.ann_macs,
        other.ann_acs,
    )


def _destandardize(call):
    """Count a product and a sum for each value, with or without spikes before it."""
    return Operations(call.outputs.size, 0, 0, 0, call.outputs.size, 0)


def _per_value(size, steps, macs, acs):
    each = size / steps
    return Operations(macs * size, acs * size, 0, 0, macs * each, acs * each)


def _elementwise(macs, acs):
    return lambda call: _per_value(call.inputs.size, call.steps, macs, acs)


def _pooling(scaled):
    def rule(call):
        size, strides = call.layer.pool_size, call.layer.strides
        if tuple(size) == tuple(strides) and call.layer.padding == "same":
            acs = call.inputs.size - call.outputs.size  # every input is in one window
        else:
            acs = call.outputs.size * (math.prod(size) - 1)
        macs = call.outputs.size if scaled else 0
        return Operations(macs, acs, 0, 0, macs / call.steps, acs / call.steps)

    return rule


COUNTERS = {
    **dict.fromkeys(KERNEL_LAYERS, _kernel),
    **dict.fromkeys(classes_with(free=True), _elementwise(0, 0)),
    **dict.fromkeys(classes_with(pooling="max"), _pooling(scaled=False)),
    **dict.fromkeys(classes_with(pooling="mean"), _pooling(scaled=True)),
    keras.layers.BatchNormalization: _elementwise(1, 0),
    keras.layers.LayerNormalization: _elementwise(2, 2),
    keras.layers.GroupNormalization: _elementwise(2, 2),
    keras.layers.Rescaling: _elementwise(1, 0),
    keras.layers.ReLU: _elementwise(0, 1),
    SpikingLIF: _neuron,
    SpikingNeurons: _neuron,
    Readout: _readout,
    SequenceReadout: _sequence_readout,
    SpikingRecurrent: _recurrent,
    CausalStandardization: _elementwise(6, 3),
    Destandardize: _destandardize,
}
