"""The metrics of NeuroBench, counted on a network while it runs."""

import math
import re
from typing import NamedTuple

import keras
import numpy as np

from keras_bsd import _checks
from keras_bsd._observe import arrays, observe
from keras_bsd._types import ArrayLike, Model
from keras_bsd.audit._counter import Counter
from keras_bsd.audit._networks import checked_spiking_network
from keras_bsd.audit._neurobench_report import NeuroBenchReport
from keras_bsd.audit._operations import COUNTERS, connections, kernels, signals
from keras_bsd.layers import SpikingNeurons, SpikingRecurrent, SpikingStage, flatten_stages
from keras_bsd.layers._kinds import KERNEL_LAYERS
from keras_bsd.layers._time_loop import unrolled
from keras_bsd.models._data_checks import checked_stimuli

STATISTICS = ("moving_mean", "moving_variance")  # of batch normalisation: buffers, not parameters


def neurobench(model: Model, x: ArrayLike, batch_size: int = 128) -> NeuroBenchReport:
    """Count NeuroBench's metrics of a spiking network on real stimuli, under NeuroBench's names.

    `keras_bsd.audit.NeuroBenchReport` defines the metrics. Where NeuroBench 2.3.0 runs the same network in
    snnTorch, its numbers are these, except for the following:

    - It decides between multiplications and accumulations by a time step of a whole batch: a single value
      other than -1, 0 and 1 makes all samples of the batch multiply. Here each sample decides for itself, as in
      NeuroBench with batches of one.
    - A stimulus without a time axis is held: the first stage's product is computed, and counted, once.
      NeuroBench counts it as often as the network in snnTorch computes it, usually at every time step.
    - The footprint has the neurons of one sample. NeuroBench finds the membranes of the last batch that
      snnTorch has run, none before the first one, and constants that snnTorch stores beside them.
    - Neurons reset in the time step of their spike, which affects the membranes that do not change: snnTorch's
      `reset_delay=False`, not its default.
    - NeuroBench rounds the sparsity of connections to four decimals, and does not count transposed
      convolutions; here all layers with a kernel count.

    Args:
        model: a `keras_bsd.BSDModel`, whose encoder is counted, or a built Keras model of stages.
        x: stimuli `(samples, ...)`.
        batch_size: positive int, number of samples that are counted at a time. It does not change the metrics.

    Returns:
        `NeuroBenchReport`.

    Raises:
        ValueError: the model is not built or has no spiking stage, or `x` is empty or has another shape.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6), timesteps=5)
    >>> report = keras_bsd.audit.neurobench(model, np.ones((2, 4)))
    >>> report.to_dict()["SynapticOperations"]["Dense"]  # the first stage holds its stimulus
    290.0
    >>> report.parameter_count, report.connection_sparsity
    (129, 0.0)

    Source: Yik et al., "The NeuroBench framework for benchmarking neuromorphic computing algorithms and
    systems", Nature Communications 2025.
    """
    _checks.integer("batch_size", batch_size, low=1)
    network: Model = checked_spiking_network(model)
    stimuli = checked_stimuli(model, x)
    counter, membranes = Counter(network, _count), _MembraneUpdates(network)
    with unrolled(), observe(membranes.observed, membranes.record):
        counter.run(stimuli, batch_size)
    counts = _Counts(*np.sum([total.sums[:-1] for total in counter.totals.values()], axis=0).tolist())
    neurons = {layer: total.neurons for layer, total in counter.totals.items() if total.neurons}
    spikes = sum(counter.totals[layer].sums[-1] for layer in neurons)
    zeros = [
        kernel == 0 for layer in counter.totals for part in _kernel_layers(layer) for kernel in kernels(part)
    ]
    parameters, buffers = _weights(network)
    states = sum(size * _state_bytes(layer.cell) for layer, size in neurons.items())
    return NeuroBenchReport(
        model=network.name,
        samples=len(stimuli),
        footprint=sum(map(_bytes, [*parameters, *buffers])) + states,
        parameter_count=sum(math.prod(weight.shape) for weight in parameters),
        connection_sparsity=float(sum(map(np.sum, zeros)) / max(1, sum(map(np.size, zeros)))),
        activation_sparsity=float(1 - spikes / counts.activations) if counts.activations else 0.0,
        dense=counts.dense / len(stimuli),
        effective_macs=counts.macs / len(stimuli),
        effective_acs=counts.acs / len(stimuli),
        membrane_updates=membranes.count / len(stimuli),
        unknown=counter.unknown(),
    )


class _Counts(NamedTuple):
    """Counts of one layer on a batch."""

    dense: float = 0
    macs: float = 0
    acs: float = 0
    activations: float = 0  # time steps of single neurons


def _count(call):
    """Return the `_Counts` of a `Call`, or None if the layer's class is unknown."""
    if isinstance(call.layer, SpikingNeurons):
        return _Counts(activations=call.outputs.size)
    if type(call.layer) is SpikingRecurrent:
        received = _received(call)
    elif type(call.layer) in KERNEL_LAYERS:
        received = [call.inputs]
    else:
        return _Counts() if type(call.layer) in COUNTERS else None
    counts = map(_count_kernel, _kernel_layers(call.layer), received)
    return _Counts(*map(sum, zip(*counts, strict=True)))


def _count_kernel(layer, values):
    """Count the pairs of inputs, one time step of one sample a row, and weights."""
    multiplied = signals(values)[1].reshape(len(values), -1).any(axis=1)
    active = values != 0
    dense = len(values) * connections(layer, np.ones((1, *values.shape[1:]), bool))
    macs, acs = (connections(layer, active[rows], pruned=True) for rows in (multiplied, ~multiplied))
    return _Counts(dense, macs, acs)


def _kernel_layers(layer):
    """Return the layers with a kernel that a layer, or a stage that is counted as one, consists of."""
    if type(layer) is SpikingRecurrent:
        return [layer.synapse.layers[0], layer.recurrent]
    return [layer] if type(layer) in KERNEL_LAYERS else []


def _received(call):
    """Return what synapses and feedback of a recurrent stage receive, a time step of an element at a time.

    Synapses receive windows of elements, those before the sequence as zeros.
    """
    inputs, delays = call.inputs, call.layer.delays
    spikes = inputs[:, :, None] if inputs.ndim == 3 else inputs  # (batch, elements, time, features)
    spikes = np.pad(np.moveaxis(spikes, 2, 1), [(0, 0), (0, 0), (delays - 1, 0), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(spikes, delays, axis=2)
    windows = np.moveaxis(windows, -1, 3).reshape(-1, delays, spikes.shape[-1])
    return windows, call.outputs[:, :-1].reshape(-1, call.outputs.shape[-1])


class _MembraneUpdates:
    """The number of time steps of single neurons that change the membrane, and of first steps, which all do.

    Args:
        network: Keras model of stages.
    """

    def __init__(self, network):
        stages = flatten_stages(network, SpikingStage)
        self._cells = {stage.neuron.cell for stage in stages}
        self.observed = [*self._cells, *stages]
        self.count, self._changed = 0, []

    def record(self, layer, arguments, outputs):
        """Record a time step of a cell, or count the steps of a stage: observer of `observed`."""
        if layer in self._cells:
            membrane = layer.state_names.index("membrane")
            before, after = arrays([arguments[1][membrane], outputs[1][membrane]])
            self._changed.append(before != after if self._changed else np.ones_like(after, bool))
        else:
            self.count += sum(int(changed.sum()) for changed in self._changed)
            self._changed = []
        return outputs


def _weights(network):
    """Return parameters, and statistics; not the states that stateful neurons carry."""
    neurons = [stage.neuron for stage in flatten_stages(network, SpikingStage)]
    carried = {id(state) for neuron in neurons if neuron.stateful for state in neuron.states}
    weights = [weight for weight in network.weights if id(weight) not in carried]
    statistics = [weight for weight in weights if weight.name in STATISTICS]
    return [weight for weight in weights if weight.name not in STATISTICS], statistics


def _bytes(weight):
    return math.prod(weight.shape) * _bytes_of(keras.backend.standardize_dtype(weight.dtype))


def _state_bytes(cell):
    return len(cell.state_size) * _bytes_of(cell.compute_dtype)


def _bytes_of(dtype):
    """Return the bytes of a value, for a dtype by name: NumPy has no bfloat16."""
    bits = re.search(r"\d+", dtype)
    return int(bits[0]) // 8 if bits else 1
