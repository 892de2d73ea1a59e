"""The decoder that mirrors an encoder."""

import inspect
import math
from typing import Any, Literal

import keras

from keras_bsd import _checks
from keras_bsd._types import Model
from keras_bsd.layers._guided import GuidedStage
from keras_bsd.layers._readout import Readout
from keras_bsd.layers._stage import SpikingStage, flatten_stages, stage_names
from keras_bsd.losses._reco import GRID, cell_of, groups_of
from keras_bsd.models._structure import check_built, has_activation, takes_spikes

_STEPS_OF_RECALL = 8
_MAPS: dict[str, Any] = {"data_format": "channels_last"}  # whatever the user's Keras configuration has


def mirror(
    encoder: Model,
    timesteps: int | None = None,
    normalization: Literal["batch", "layer"] | None = "batch",
    broadcast_concept: bool | None = None,
    gain: float | None = None,
    recall: Literal["sequence", "mean"] | None = None,
    name: str = "decoder",
) -> Model:
    """Return a decoder, from concept to stimulus, whose stages mirror those of an encoder.

    The concept, a vector of the encoder's output shape, is held as a current. The decoder's first stage has the
    shape of the encoder's last stage, and so on down to a `Readout` of the stimulus. All weights are new.

    Args:
        encoder: built Keras model of `SpikingDense`, `SpikingConv2D` and `SpikingResidualConv2D` stages in one
            chain, ending in a `Readout`; skip connections around stages are allowed.
        timesteps: positive int (default: that of the encoder's spikes if its first stage holds a stimulus,
            otherwise 8).
        normalization: `"batch"`, `"layer"` or `None`, of the decoder's currents.
        broadcast_concept: bool, whether every stage receives the concept beside the spikes from above, see
            `keras_bsd.layers.GuidedStage`, so that what a stage far from the concept represents does not
            depend on the stages between (default: whether the encoder outputs probabilities of classes). Maps
            receive it by 4x4 cells.
        gain: positive float, by which the initial kernels of the decoder's stages are multiplied. Behind
            normalisation it changes no current, but how slowly the kernels' directions change: a teacher should
            change more slowly than those that it teaches. Default: 5 where stages receive the concept and have
            normalisation, otherwise 1.
        recall: what the decoder outputs where the stimulus is spikes or values over time: the `"sequence"`
            `(time, ...)`, by a readout whose outputs are all time steps, or its `"mean"` over time (default:
            the sequence if its length is known and the first stage's `backward_synapse` takes a shape).
        name: name of the decoder.

    Returns:
        `keras.Model`.

    Raises:
        ValueError: there is no readout or more than one, a later stage has `timesteps`, `gain` is given without
            a normalisation, or `recall` for a stimulus without a time axis, or as a sequence of unknown length.
        NotImplementedError: a stage has no `backward_synapse`; write the decoder by hand.

    Example:

    >>> encoder = keras.Sequential([
    ...     keras.Input((8, 8, 1)),
    ...     keras_bsd.layers.SpikingDense(32, timesteps=4),
    ...     keras_bsd.layers.Readout(keras.layers.Dense(10), "softmax")])
    >>> decoder = keras_bsd.mirror(encoder)
    >>> decoder.input_shape, decoder.output_shape
    ((None, 10), (None, 8, 8, 1))
    """
    check_built(encoder, "encoder")
    spiking, readouts = flatten_stages(encoder, SpikingStage), flatten_stages(encoder, Readout)
    held = [stage.name for stage in spiking if stage.timesteps is not None]
    if len(readouts) != 1 or held[1:]:
        raise ValueError(
            "`encoder` must end in its one Readout, and only its first stage takes `timesteps`, since the "
            f"others get spikes. Received: {len(readouts)} readouts, `timesteps` in {', '.join(held) or 'none'}"
        )
    if broadcast_concept is None:
        probabilities = has_activation(encoder, keras.activations.softmax, keras.activations.sigmoid)
        broadcast_concept = probabilities and len(encoder.output_shape) == 2
    gain = _checked_gain(gain, normalization, broadcast_concept)
    recall = _recall_of(recall, encoder)
    if timesteps is None:
        timesteps = _STEPS_OF_RECALL if takes_spikes(encoder) else spiking[-1].output.shape[1]
    (above,) = readouts
    names, spikes = stage_names(encoder), None
    concept = keras.Input(encoder.output_shape[1:], name="concept")
    for stage in reversed(spiking):
        synapse = _backward_synapse(above, stage.output_features)
        options = {
            "neuron": stage.neuron.from_config({**stage.neuron.get_config(), "stateful": False}),
            "normalization": normalization,
            "name": f"{names[stage]}_mirror",
        }
        if spikes is None:
            spikes = SpikingStage(synapse, timesteps=timesteps, **options)(concept)
        elif broadcast_concept:
            spikes = GuidedStage(synapse, _guide(stage.output_features), **options)([spikes, concept])
        else:
            spikes = SpikingStage(synapse, **options)(spikes)
        above = stage
    stimulus = Readout(_recalling_synapse(above, encoder, recall), name="stimulus")(spikes)
    decoder = keras.Model(concept, stimulus, name=name)
    for stage in flatten_stages(decoder, SpikingStage):
        for weight in stage.trainable_weights:
            if len(weight.shape) > 1:
                weight.assign(gain * weight.value)
    return decoder


def _checked_gain(gain, normalization, broadcast_concept):
    if gain is None:
        return 5.0 if normalization and broadcast_concept else 1.0
    gain = _checks.real("gain", gain, low=0.0, low_open=True)
    if gain != 1 and normalization is None:
        raise ValueError(
            "`gain` sets the pace of kernels behind a normalisation; without one it would multiply the "
            f"currents. Received: {gain=}, {normalization=}. Set `normalization`, or omit `gain`."
        )
    return gain


def _recall_of(recall, encoder):
    """Return what a decoder recalls of stimuli with a time axis, `"sequence"` or `"mean"`."""
    _checks.one_of("recall", recall, ("sequence", "mean", None))
    steps = encoder.input_shape[1] if takes_spikes(encoder) else None
    if recall is not None and not takes_spikes(encoder):
        raise ValueError(
            "`recall` is for an encoder of spikes over time; here the first stage holds a stimulus. Received: "
            f"{recall=}. Omit it."
        )
    if recall == "sequence" and steps is None:
        raise ValueError(
            "A decoder recalls sequences of one known length. Received: recall='sequence' for an encoder of "
            f'inputs {encoder.input_shape[1:]}. Build it with a length, or set recall="mean".'
        )
    any_shape = _takes_features(flatten_stages(encoder, SpikingStage)[0])
    return recall or ("mean" if steps is None or not any_shape else "sequence")


def _recalling_synapse(stage, encoder, recall):
    """Return layers to the stimulus, whose time steps, if it has any, are channels until the last layer."""
    if not takes_spikes(encoder):
        return _backward_synapse(stage, encoder.input_shape[1:])
    steps, *places, channels = encoder.input_shape[1:]
    if recall == "mean":
        return _backward_synapse(stage, (*places, channels))
    layers, time = _backward_synapse(stage, (*places, steps * channels)), len(places) + 1
    time_first = keras.layers.Permute((time, *range(1, time), time + 1))
    return [*layers, keras.layers.Reshape((*places, steps, channels)), time_first]


def _backward_synapse(stage, features):
    """Return a stage's `backward_synapse` to `features`, mostly those of its inputs."""
    if features == stage.input_features:
        return stage.backward_synapse()
    if not _takes_features(stage):
        raise ValueError(
            f"`backward_synapse` of stage '{stage.name}' must take `features`, a shape to return to other than "
            f"that of its inputs. Received: features={features}, inputs {stage.input_features}. Add the "
            "argument, or write the decoder by hand."
        )
    return stage.backward_synapse(features)


def _takes_features(stage):
    return bool(inspect.signature(stage.backward_synapse).parameters)


def _guide(features):
    """Return layers from the concept to the currents of one time step.

    Those of maps are equal within each of 4x4 cells, by whose means layer losses compare maps by default.
    """
    shape, enlargement = _cells(features) if len(features) == 3 else (features, [])
    dense = keras.layers.Dense(math.prod(shape), use_bias=False)
    return [keras.layers.Flatten(**_MAPS), dense, keras.layers.Reshape(shape), *enlargement]


def _cells(features):
    """Return the shape of the cells of maps, and layers that enlarge cells to the maps."""
    *sides, channels = features
    cell = cell_of(sides, GRID)
    counts, margins = zip(*map(groups_of, sides, cell), strict=True)
    layers = []
    if cell != (1, 1):
        layers.append(keras.layers.UpSampling2D(cell, **_MAPS))
    if any(map(any, margins)):
        layers.append(keras.layers.Cropping2D(margins, **_MAPS))
    return (*counts, channels), layers
