"""Counting what the layers of a network do while it runs."""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_bsd._observe import arrays, observe
from keras_bsd.audit import _operations as operations
from keras_bsd.layers._conv import SpikingConv2D, SpikingResidualConv2D
from keras_bsd.layers._dense import SpikingDense
from keras_bsd.layers._kinds import KERNEL_LAYERS
from keras_bsd.layers._lif import SpikingLIF
from keras_bsd.layers._readout import Readout, SequenceReadout
from keras_bsd.layers._recurrent import SpikingRecurrent
from keras_bsd.layers._stage import SpikingStage, Stage, walk

KNOWN_STAGES = (SpikingStage, SpikingDense, SpikingConv2D, SpikingResidualConv2D, Readout, SequenceReadout)
WHOLE = (SpikingRecurrent,)  # stages whose layers run element by element: all but the neurons is counted as one


class LayerCost(NamedTuple):
    """What one layer does for one sample, on average."""

    name: str  # of its stage and its own
    kind: str  # name of its class
    stage: str  # empty outside stages
    neurons: int
    synapses: int  # pairs of an input and a neuron that it reaches
    firing_rate: float | None  # spikes per neuron and time step
    steps: float  # how often it is applied
    macs: float
    acs: float
    synaptic_operations: float  # those of the ACs that arriving spikes set off
    neuron_updates: float
    ann_macs: float  # its like in a network without time
    ann_acs: float


def _synapses(layer, counted):
    if isinstance(layer, SpikingRecurrent):
        return layer.units * (layer.delays * math.prod(layer.input_features) + layer.units)
    return round(counted.ann_macs) if type(layer) in KERNEL_LAYERS else 0


class Counter:
    """Sums up the operations of a network's layers over batches.

    Args:
        network: Keras model of stages.
    """

    def __init__(self, network):
        self._network = network
        self._stage_of, self._unknown = {}, {}
        self._sums, self._steps, self._neurons = {}, {}, {}
        self._samples, self._behind_a_stage = 0, False
        for layer in walk(network):
            self._stage_of[layer] = None
            if isinstance(layer, Stage):
                neuron = [layer.neuron] if isinstance(layer, SpikingStage) else []
                synapse = () if type(layer) in WHOLE else walk(layer.synapse)
                self._stage_of |= dict.fromkeys([*synapse, *neuron], layer)

    def run(self, x, batch_size):
        """Count on `x`, a batch at a time; gives the network's outputs."""
        outputs = []
        with observe(self._stage_of, self._note):
            for start in range(0, len(x), batch_size):
                batch = x[start : start + batch_size]
                self._batch, self._behind_a_stage = len(batch), False
                outputs += arrays(self._network(ops.convert_to_tensor(batch), training=False))
                self._samples += len(batch)
        return np.concatenate(outputs)

    def _note(self, layer, arguments, outputs):
        inputs = arguments[0]
        stage = self._stage_of[layer]
        if isinstance(layer, Stage) and type(layer) not in (*KNOWN_STAGES, *WHOLE):
            self._unknown[layer] = "what it does beside its synapse and its neurons"
        elif type(layer) in WHOLE:
            (taken,), (spikes,) = arrays(inputs), arrays(outputs)
            self._count(layer, stage, taken, spikes)
            fired = spikes.reshape(-1, *spikes.shape[2:])  # an element a row
            self._count(layer.neuron, layer, fired, fired)
        elif not isinstance(layer, SpikingStage):
            self._count(layer, stage, arrays(inputs)[0], arrays(outputs)[0])
        self._behind_a_stage |= stage is not None or type(layer) in WHOLE
        return outputs

    def _count(self, layer, stage, inputs, outputs):
        rows = len(inputs) / self._batch  # stages fold time into the batch, readouts of sequences the elements
        if isinstance(stage, SequenceReadout):
            rows = 1
        steps = rows if stage is not None or not self._behind_a_stage else inputs.shape[1]
        # A readout's layers see rates, even where those of a few samples are all 0 or 1.
        spiking = not isinstance(stage, Readout) and ((inputs == 0) | (inputs == 1)).all()
        counted = operations.count(layer, inputs, outputs, steps, spiking)
        if counted is None:
            self._unknown[layer] = "all of it"
            return
        activation = getattr(layer, "activation", None) or keras.activations.linear
        if activation is not keras.activations.linear:
            self._unknown[layer] = f"its activation {keras.activations.serialize(activation)}"
        if type(layer) is SpikingLIF:
            self._neurons[layer] = math.prod(outputs.shape[2:])
            steps = outputs.size / self._batch / self._neurons[layer]
        self._steps[layer] = steps
        counted = np.array([*counted, outputs.sum(dtype="float64")])
        self._sums[layer] = self._sums.get(layer, 0) + counted

    def layers(self):
        """Each layer that does something, in the network's order, for one sample: tuple of `LayerCost`."""
        found = (self._layer(layer) for layer in self._stage_of if layer in self._sums)
        return tuple(layer for layer in found if layer.macs or layer.acs or layer.ann_macs or layer.ann_acs)

    def _layer(self, layer):
        *counted, total = (self._sums[layer] / self._samples).tolist()
        counted = operations.Operations(*counted)
        neurons, stage = self._neurons.get(layer, 0), self._stage_of[layer]
        return LayerCost(
            name=self._name(layer),
            kind=type(layer).__name__,
            stage=stage.name if stage else "",
            neurons=neurons,
            synapses=_synapses(layer, counted),
            firing_rate=total / neurons / self._steps[layer] if neurons else None,
            steps=self._steps[layer],
            **counted._asdict(),
        )

    def _name(self, layer):
        stage = self._stage_of[layer]
        return layer.name if stage is None else f"{stage.name}/{layer.name}"

    def unknown(self):
        """What could not be counted, in words: tuple of strings."""
        return tuple(
            f"'{self._name(layer)}' ({type(layer).__name__}): {self._unknown[layer]}"
            for layer in self._stage_of
            if layer in self._unknown
        )
