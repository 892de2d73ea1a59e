"""What the recurrent networks share: their stages and their decoder."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_bsd import _checks
from keras_bsd._types import Function, Model, Tensor
from keras_bsd.applications._builders import stage_sizes
from keras_bsd.layers._dense import SpikingDense
from keras_bsd.layers._readout import Readout
from keras_bsd.layers._recurrent import SpikingRecurrent


def recurrent_stages(
    elements: Tensor, units: Sequence[int], timesteps: int, new_neuron: Function, **options: Any
) -> Tensor:
    """Return the spikes of a chain of recurrent stages, those of all stages joined along the last axis.

    Args:
        elements: symbolic tensor `(batch, elements, ...)`.
        units: positive ints, neurons of each stage.
        timesteps: positive int, time steps for which an element is held.
        new_neuron: function without arguments that returns new neurons.
        **options: further arguments of `SpikingRecurrent`.
    """
    timesteps = _checks.integer("timesteps", timesteps, low=1)
    spikes: list[Tensor] = []
    for i, count in enumerate(stage_sizes("units", units)):
        stage = SpikingRecurrent(
            count,
            timesteps=timesteps if i == 0 else None,
            neuron=new_neuron(),
            name=f"recurrent_{i + 1}",
            **options,
        )
        spikes.append(stage(spikes[-1] if spikes else elements))
    return spikes[0] if len(spikes) == 1 else keras.layers.Concatenate(name="all_stages")(spikes)


def dense_decoder(
    concept: tuple[int, ...],
    stimulus: tuple[int, ...],
    units: Sequence[int],
    timesteps: int,
    new_neuron: Function,
) -> Model:
    """Return a decoder whose fully connected stages mirror a chain of recurrent stages.

    Args:
        concept: shape of the decoder's input, which is held as a constant current.
        stimulus: shape of its output.
        units: positive ints, neurons of each of the encoder's stages.
        timesteps: positive int, time steps for which a concept is held.
        new_neuron: function without arguments that returns new neurons.
    """
    decoder = keras.Sequential([keras.Input(concept, name="concept")], name="decoder")
    last = len(units) - 1
    for i, count in reversed(list(enumerate(units))):
        decoder.add(
            SpikingDense(
                count,
                timesteps=timesteps if i == last else None,
                neuron=new_neuron(),
                name=f"recurrent_{i + 1}_mirror",
            )
        )
    synapse = [keras.layers.Dense(math.prod(stimulus)), keras.layers.Reshape(stimulus)]
    decoder.add(Readout(synapse, name="stimulus"))
    return decoder
