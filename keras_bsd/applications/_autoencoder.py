"""Autoencoder for generation and completion."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_bsd import _checks
from keras_bsd._types import Config, Path, Shape
from keras_bsd.applications._builders import from_weights, load_weights, neuron_factory, required_shape, sizes
from keras_bsd.layers._dense import SpikingDense
from keras_bsd.layers._neurons import Neuron
from keras_bsd.layers._readout import Readout
from keras_bsd.layers._stage import SpikingStage
from keras_bsd.models._autoencoder import BSDAutoencoder

_DEFAULT_FILTERS = (32, 64)


@from_weights
def SpikingAutoencoder(
    input_shape: Shape | None = None,
    latent_units: int = 64,
    timesteps: int = 8,
    filters: Sequence[int] = _DEFAULT_FILTERS,
    units: Sequence[int] = (),
    concepts: int = 10,
    components: int = 1,
    weights: Path | None = None,
    neuron: Config | Neuron | None = None,
    name: str = "spiking_autoencoder",
    **kwargs: Any,
) -> BSDAutoencoder:
    """Build a spiking autoencoder that reconstructs, recalls, generates and completes stimuli.

    Stages lead from the stimulus down to the latent neurons, and through the same shapes up to the stimulus.
    The decoder has the same structure and its own weights; its input is the target.

    Args:
        input_shape: tuple, shape of one stimulus. Required unless `weights` is a preset or a
            `.keras` file, which provides this and the next six arguments.
        latent_units: positive int, number of latent neurons.
        timesteps: positive int, time steps for which a stimulus is held as a constant current.
        filters: positive ints, channels of each stage of 3x3 convolutions between stimulus and latent neurons;
            each stage halves the maps.
        units: positive ints, neurons of fully connected stages instead of `filters`.
        concepts: positive int, number of concepts, each with its own distribution in the prior.
        components: positive int, Gaussians in the prior of each concept.
        weights: name of a preset (`list_presets` prints them), path of a preset's `.json` record, path of a
            `.keras` file that such a pair has saved, or of a `.weights.h5` file, or `None` for random weights.
            A preset and a `.keras` file provide the arguments above; those passed beside them must be equal.
        neuron: dict of `SpikingLIF` arguments, a `SpikingCell` or `SpikingNeurons`, of which each stage gets a
            copy, or `None` for the defaults of `SpikingLIF`.
        name: name of the model.
        **kwargs: further arguments of `keras_bsd.BSDAutoencoder`. Its `stimulus_range` is `(0, 1)` by default
            here.

    Returns:
        A `keras_bsd.BSDAutoencoder`, not compiled.

    Raises:
        ValueError: an argument is missing or out of range, both `filters` and `units` are passed, or the maps
            cannot be halved once by each of `filters`.

    Example:

    >>> model = keras_bsd.applications.SpikingAutoencoder((28, 28, 1), latent_units=64)
    >>> [stage.output_features for stage in model.encoder_stages]
    [(14, 14, 32), (7, 7, 64), (64,), (7, 7, 64), (14, 14, 32)]
    """
    shape = required_shape("input_shape", input_shape)
    filters, units = sizes("filters", filters), sizes("units", units)
    if units and filters not in ((), _DEFAULT_FILTERS):
        raise ValueError(f"Give `filters` or `units`, not both. Received: {filters=}, {units=}")
    timesteps = _checks.integer("timesteps", timesteps, low=1)
    layers, widths = (_dense_layers, units) if units else (_conv_layers, filters)
    networks = [
        keras.Sequential(
            [
                keras.Input(shape, name="stimulus"),
                *layers(shape, widths, latent_units, timesteps, neuron_factory(neuron)),
            ],
            name=role,
        )
        for role in ("encoder", "decoder")
    ]
    model = BSDAutoencoder(
        networks[0],
        networks[1],
        latent="latent",
        concepts=concepts,
        components=components,
        name=name,
        **{"stimulus_range": (0.0, 1.0), **kwargs},
    )
    return load_weights(model, weights)


def _dense_layers(shape, units, latent_units, timesteps, new_neuron):
    """Return the layers of one network of fully connected stages."""
    down = [
        SpikingDense(count, neuron=new_neuron(), timesteps=timesteps if i == 0 else None, name=f"down_{i + 1}")
        for i, count in enumerate(units)
    ]
    up = [
        SpikingDense(count, neuron=new_neuron(), name=f"up_{i + 1}") for i, count in enumerate(reversed(units))
    ]
    image = [keras.layers.Dense(math.prod(shape)), keras.layers.Reshape(shape)]
    latent = SpikingDense(latent_units, neuron=new_neuron(), name="latent")
    return [*down, latent, *up, Readout(image, name="image")]


def _conv_layers(shape, filters, latent_units, timesteps, new_neuron):
    """Return the layers of one network of convolutional stages."""
    if len(shape) != 3 or not filters or any(pixels % 2 ** len(filters) for pixels in shape[:2]):
        raise ValueError(
            "`input_shape` must be (height, width, channels), where height and width are multiples of "
            f"{2 ** len(filters)}, since each of at least one `filters` halves them. Received: "
            f"input_shape={shape}, filters={filters}. Choose fewer filters, or give `units`."
        )
    height, width = (pixels // 2 ** len(filters) for pixels in shape[:2])
    halving = [_strided(keras.layers.Conv2D, channels) for channels in filters]
    smallest = [
        keras.layers.Dense(height * width * filters[-1], use_bias=False),
        keras.layers.Reshape((height, width, filters[-1])),
    ]
    doubling = [_strided(keras.layers.Conv2DTranspose, channels) for channels in filters[-2::-1]]
    down = [
        SpikingStage(
            synapse,
            neuron=new_neuron(),
            timesteps=timesteps if i == 0 else None,
            normalization="batch",
            name=f"down_{i + 1}",
        )
        for i, synapse in enumerate(halving)
    ]
    up = [
        SpikingStage(synapse, neuron=new_neuron(), normalization="batch", name=f"up_{i + 1}")
        for i, synapse in enumerate([smallest, *doubling])
    ]
    image = Readout(_strided(keras.layers.Conv2DTranspose, shape[-1], use_bias=True), name="image")
    latent = SpikingDense(latent_units, neuron=new_neuron(), name="latent")
    return [*down, latent, *up, image]


def _strided(layer, channels, use_bias=False):
    # Strided, not pooled: a maximum discards which of the four positions was active.
    return layer(channels, 3, strides=2, padding="same", data_format="channels_last", use_bias=use_bias)
