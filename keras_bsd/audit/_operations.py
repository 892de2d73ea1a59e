"""How many operations a layer takes for the inputs that it gets.

A sum of `k` products is `k` multiply-accumulates (MACs), or, where the inputs are spikes, an accumulate
(AC) for each spike and weight. What else there is, for each value and time step:

| | MACs | ACs |
| --- | --- | --- |
| bias | | 1 |
| batch normalisation | 1 | |
| layer normalisation (mean, variance; scale and shift) | 2 | 2 |
| leaky membrane, threshold | 1 | 1 |
| the same without leak (`beta=1`) or without memory (`beta=0`) | | 2 or 1 |
| soft reset | | 1 a spike |
| refractory neuron | | 1 |
| largest of `k`, sum of `k` | | k - 1 |
| mean of `k` | 1 | k - 1 |
| ReLU | | 1 |
| readout, once a stimulus or element | 1 | 1 a spike |
| value of a standardised series | 6 | 3 |
| value of a forecast in a series' own units | 1 | |

All of a recurrent stage but its neurons is counted as one layer. Its like in a network without spikes is a
recurrent layer of the same delays, with ReLU.
"""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_bsd.layers._kinds import KERNEL_LAYERS, classes_with
from keras_bsd.layers._lif import SpikingLIF
from keras_bsd.layers._readout import Readout, SequenceReadout
from keras_bsd.layers._recurrent import SpikingRecurrent
from keras_bsd.layers._standardization import CausalStandardization, Destandardize


class Operations(NamedTuple):
    """Operations on a batch, and what the layer's like in a network without time takes for it."""

    macs: float = 0
    acs: float = 0
    synaptic_operations: float = 0  # those of the ACs that an arriving spike sets off
    neuron_updates: float = 0
    ann_macs: float = 0
    ann_acs: float = 0


def connections(layer, active):
    """How many weights of a layer meet an active input, counted at every place where they do.

    The layer is applied with every weight one, and every active input.

    Args:
        layer: one of `KERNEL_LAYERS`.
        active: booleans of the shape of its inputs.
    """
    config = {**layer.get_config(), "dtype": "float32"}
    if "activation" in config:
        config["activation"] = "linear"
    copy = type(layer).from_config(config)
    copy.build((None, *active.shape[1:]))
    ones = [(weight, ops.full(weight.shape, float(weight.name != "bias"))) for weight in copy.weights]
    # PyTorch would assign no weight here, while a layer of less precision runs.
    with keras.StatelessScope(ones):
        sums = ops.convert_to_numpy(copy(ops.convert_to_tensor(active.astype("float32"))))
    return float(np.rint(sums).sum(dtype="float64"))


def _kernel(layer, inputs, outputs, steps, spiking):
    each = connections(layer, np.ones((1, *inputs.shape[1:]), bool))
    samples = len(inputs) / steps
    biases = outputs.size if getattr(layer, "use_bias", getattr(layer, "bias", None) is not None) else 0
    met = connections(layer, inputs != 0) if spiking else 0
    macs = 0 if spiking else each * len(inputs)
    return Operations(macs, met + biases, met, 0, each * samples, biases / steps)


def _neuron(layer, inputs, outputs, steps, spiking):
    cell, count = layer.cell, inputs.size
    leaky = cell.trainable_leak or cell.beta not in (0.0, 1.0)
    acs = count * (1 + (not leaky and cell.beta == 1.0) + (cell.refractory_steps > 0))
    if cell.reset == "soft":
        acs += float(outputs.sum(dtype="float64"))
    rectified = count / inputs.shape[1]
    return Operations(count if leaky else 0, acs, 0, count, 0, rectified)


def _readout(layer, inputs, outputs, steps, spiking):
    """The mean over time; what follows is other layers'."""
    summed = np.count_nonzero(inputs) if spiking else inputs.size
    return Operations(inputs.size / inputs.shape[1], summed)


def _sequence_readout(layer, inputs, outputs, steps, spiking):
    """The mean over time of each element that is read."""
    read = inputs if layer.targets == "all" else inputs[:, -1:]
    return Operations(read.size / inputs.shape[2], np.count_nonzero(read))


def _recurrent(layer, inputs, outputs, steps, spiking):
    """A stage without its neurons: what each element brings to it and to the next `delays - 1`, feedback."""
    batch, elements, _, units = outputs.shape
    reached = np.minimum(layer.delays, elements - np.arange(elements))  # elements that one reaches
    each = units * math.prod(layer.input_features) * reached.sum()
    fed_back = units * float(outputs[:, :-1].sum(dtype="float64"))
    arriving = fed_back
    if spiking:
        arriving += units * float(inputs.reshape(batch, elements, -1).sum(axis=(0, 2)) @ reached)
    currents = batch * elements * units
    norm = _elementwise(2, 2) if layer.normalization else _elementwise(0, 1)  # or the bias
    normalised = norm(layer, np.empty(currents), None, 1, False)
    return Operations(
        (0 if spiking else batch * each) + normalised.macs,
        arriving + normalised.acs,
        arriving,
        0,
        batch * (each + (elements - 1) * units**2) + normalised.ann_macs,
        normalised.ann_acs,
    )


def _from_last_element(layer, inputs, outputs, steps, spiking):
    """A product and a sum for each value, with or without spikes before."""
    return Operations(outputs.size, 0, 0, 0, outputs.size, 0)


def _elementwise(macs, acs):
    def count(layer, inputs, outputs, steps, spiking):
        each = inputs.size / steps
        return Operations(macs * inputs.size, acs * inputs.size, 0, 0, macs * each, acs * each)

    return count


def _pooling(scaled):
    def count(layer, inputs, outputs, steps, spiking):
        size, strides = layer.pool_size, layer.strides
        if tuple(size) == tuple(strides) and layer.padding == "same":
            acs = inputs.size - outputs.size  # every input is in one window
        else:
            acs = outputs.size * (math.prod(size) - 1)
        macs = outputs.size if scaled else 0
        return Operations(macs, acs, 0, 0, macs / steps, acs / steps)

    return count


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
    Readout: _readout,
    SequenceReadout: _sequence_readout,
    SpikingRecurrent: _recurrent,
    CausalStandardization: _elementwise(6, 3),
    Destandardize: _from_last_element,
}


def count(layer, inputs, outputs, steps, spiking):
    """Operations of one call of a layer, or None if its kind is not known. Activations come on top.

    Args:
        layer: Keras layer.
        inputs, outputs: NumPy arrays, of `SpikingLIF` and `Readout` with a time axis.
        steps: how many rows of `inputs` belong to one sample: its time steps.
        spiking: bool, whether the inputs are spikes.
    """
    rule = COUNTERS.get(type(layer))
    return None if rule is None else rule(layer, inputs, outputs, steps, spiking)
