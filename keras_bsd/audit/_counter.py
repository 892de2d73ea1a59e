"""Counting the operations of a network's layers while it runs."""

import dataclasses
import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_bsd._observe import arrays, observe
from keras_bsd._types import Array, Layer
from keras_bsd.audit._operations import Call, Operations, count
from keras_bsd.layers import (
    GuidedStage,
    Readout,
    SequenceReadout,
    SpikingConv2D,
    SpikingDense,
    SpikingNeurons,
    SpikingRecurrent,
    SpikingResidualConv2D,
    SpikingStage,
    Stage,
)
from keras_bsd.layers._kinds import KERNEL_LAYERS
from keras_bsd.layers._stage import stage_names, walk

KNOWN_STAGES = (
    SpikingStage,
    GuidedStage,
    SpikingDense,
    SpikingConv2D,
    SpikingResidualConv2D,
    Readout,
    SequenceReadout,
)
WHOLE_STAGES = (SpikingRecurrent,)  # counted as one layer and their neurons: their layers run within a loop


class LayerCost(NamedTuple):
    """Operations of one layer for one sample, the mean over all samples.

    Each pair of an input value and a weight is decided by the value alone: one accumulate (AC) for 1 and -1, as
    in NeuroBench, nothing for 0, and one multiply-accumulate (MAC) for any other value, such as a pixel that is
    held as a current or a firing rate. Weights of zero count like others. The equivalent network with ReLU
    takes a MAC for every pair. For each value and time step count besides, whether it is zero or not:

    | | MACs | ACs |
    | --- | --- | --- |
    | bias | | 1 |
    | batch normalisation | 1 | |
    | layer normalisation (mean, variance; scale and shift) | 2 | 2 |
    | leaky membrane, threshold | 1 | 1 |
    | the same without leak (`beta=1`) or without memory (`beta=0`) | | 2 or 1 |
    | synaptic current of `SpikingCuBaLIFCell` | 1 | |
    | adaptation of `SpikingALIFCell`, threshold with its shift | 2 | |
    | soft reset | | 1 for each spike |
    | refractory neuron | | 1 |
    | maximum or sum of `k` | | k - 1 |
    | mean of `k` | 1 | k - 1 |
    | ReLU | | 1 |
    | readout, once for each stimulus or element | 1 | 1 for each spike |
    | value of a standardised series | 6 | 3 |
    | value of a destandardised forecast | 1 | |

    Attributes:
        name: of its stage and of the layer.
        kind: name of its class.
        stage: name of its stage; empty outside stages.
        is_inner: whether another layer with a kernel lies between it and the inputs of its stage.
        neurons: number of spiking neurons.
        synapses: number of pairs of an input and a neuron that it reaches.
        parameters: number of weights, biases and statistics.
        states: number of values that the neurons store, those of `state_names` of their cell.
        firing_rate: spikes per neuron and time step; None without neurons.
        steps: how often the layer is applied.
        macs: multiply-accumulates.
        acs: accumulates.
        synaptic_operations: the accumulates that arriving spikes cause.
        neuron_updates: time steps of single neurons.
        ann_macs: multiply-accumulates of its counterpart in the network with ReLU and without time.
        ann_acs: accumulates of that counterpart.
    """

    name: str
    kind: str
    stage: str
    is_inner: bool
    neurons: int
    synapses: int
    parameters: int
    states: int
    firing_rate: float | None
    steps: float
    macs: float
    acs: float
    synaptic_operations: float
    neuron_updates: float
    ann_macs: float
    ann_acs: float


@dataclasses.dataclass
class Total:
    """Counts of one layer, summed over the samples."""

    sums: Array  # the fields of what the rule returns, and the sum of the outputs
    steps: float
    neurons: int


class Counter:
    """Sums of the operations of a network's layers over batches.

    Args:
        network: Keras model of stages.
        rule: function that returns a named tuple of counts of a `Call`, or None if it does not know the layer.
    """

    def __init__(self, network, rule=count):
        self._network, self._rule, self._names = network, rule, stage_names(network)
        self._stage_of = {}  # every layer that is observed, in the network's order; None outside stages
        self.totals: dict[Layer, Total] = {}
        self._unknown, self._samples = {}, 0
        self._inner = set()  # layers behind another one with a kernel
        for layer in walk(network):
            self._stage_of[layer] = None
            if isinstance(layer, Stage):
                neuron = [layer.neuron] if isinstance(layer, SpikingStage) else []
                networks = [] if type(layer) in WHOLE_STAGES else layer.connections()
                inner = [part for network in networks for part in walk(network)]
                self._stage_of |= dict.fromkeys([*inner, *neuron], layer)
                for network in networks:
                    self._inner |= {*[part for part in walk(network) if type(part) in KERNEL_LAYERS][1:]}

    def run(self, x, batch_size):
        """Count on `x`, a batch at a time, and return the network's outputs."""
        outputs = []
        with observe(self._stage_of, self._record):
            for start in range(0, len(x), batch_size):
                batch = x[start : start + batch_size]
                self._batch, self._behind_a_stage = len(batch), False
                outputs += arrays(self._network(ops.convert_to_tensor(batch), training=False))
                self._samples += len(batch)
        return np.concatenate(outputs)

    def _record(self, layer, arguments, outputs):
        stage, inputs = self._stage_of[layer], arguments[0]
        if isinstance(layer, Stage) and type(layer) not in (*KNOWN_STAGES, *WHOLE_STAGES):
            self._unknown[layer] = "operations besides its synapse and its neurons"
        elif type(layer) in WHOLE_STAGES:
            (taken,), (spikes,) = arrays(inputs), arrays(outputs)
            self._count(layer, stage, taken, spikes)
            by_element = spikes.reshape(-1, *spikes.shape[2:])
            self._count(layer.neuron, layer, by_element, by_element)
        elif not isinstance(layer, SpikingStage):
            self._count(layer, stage, arrays(inputs)[0], arrays(outputs)[0])
        self._behind_a_stage |= stage is not None or type(layer) in WHOLE_STAGES
        return outputs

    def _count(self, layer, stage, inputs, outputs):
        rows = len(inputs) / self._batch  # stages fold time into the batch, readouts of sequences the elements
        if isinstance(stage, SequenceReadout):
            rows = 1
        steps = rows if stage is not None or not self._behind_a_stage else inputs.shape[1]
        counted = self._rule(Call(layer, inputs, outputs, steps))
        if counted is None:
            self._unknown[layer] = "all operations"
            return
        activation = getattr(layer, "activation", None) or keras.activations.linear
        if activation is not keras.activations.linear:
            self._unknown[layer] = f"its activation {keras.activations.serialize(activation)}"
        neurons = 0
        if isinstance(layer, SpikingNeurons):
            neurons = math.prod(outputs.shape[2:])
            steps = outputs.size / self._batch / neurons
        total = self.totals.setdefault(layer, Total(np.zeros(len(counted) + 1), steps, neurons))
        total.sums += [*counted, outputs.sum(dtype="float64")]
        total.steps = steps

    def layers(self):
        """Return the layers with operations, in the network's order: a tuple of `LayerCost`."""
        costs = (self._cost(layer) for layer in self._stage_of if layer in self.totals)
        return tuple(cost for cost in costs if cost.macs or cost.acs or cost.ann_macs or cost.ann_acs)

    def _cost(self, layer):
        total, stage = self.totals[layer], self._stage_of[layer]
        *counted, spikes = (total.sums / self._samples).tolist()
        operations = Operations(*counted)
        return LayerCost(
            name=self._name(layer),
            kind=type(layer).__name__,
            stage=self._names[stage] if stage else "",
            is_inner=layer in self._inner,
            neurons=total.neurons,
            synapses=_synapses(layer, operations),
            parameters=sum(math.prod(weight.shape) for weight in layer.weights),
            states=total.neurons * len(layer.cell.state_size) if total.neurons else 0,
            firing_rate=spikes / total.neurons / total.steps if total.neurons else None,
            steps=total.steps,
            **operations._asdict(),
        )

    def _name(self, layer):
        stage = self._stage_of[layer]
        name = self._names.get(layer, layer.name)
        return name if stage is None else f"{self._names[stage]}/{name}"

    def unknown(self):
        """Return descriptions of the operations that were not counted, a tuple of strings."""
        return tuple(
            f"'{self._name(layer)}' ({type(layer).__name__}): {self._unknown[layer]}"
            for layer in self._stage_of
            if layer in self._unknown
        )


def _synapses(layer, operations):
    if isinstance(layer, SpikingRecurrent):
        return layer.units * (layer.delays * math.prod(layer.input_features) + layer.units)
    return round(operations.ann_macs) if type(layer) in KERNEL_LAYERS else 0
