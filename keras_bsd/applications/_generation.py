"""Ready-made pairs for generation."""

import math

import keras

from keras_bsd import _checks
from keras_bsd.applications._presets import from_presets, load_weights
from keras_bsd.layers._dense import SpikingDense
from keras_bsd.layers._lif import SpikingLIF
from keras_bsd.layers._readout import Readout
from keras_bsd.layers._stage import SpikingStage
from keras_bsd.models._autoencoder import BSDAutoencoder

LATENT = "latent"
DEFAULT_FILTERS = (32, 64)


@from_presets("input_shape")
def SpikingAutoencoder(
    input_shape=None,
    latent_units=64,
    timesteps=8,
    filters=DEFAULT_FILTERS,
    units=(),
    concepts=10,
    components=1,
    weights=None,
    neuron=None,
    name="spiking_autoencoder",
    **kwargs,
):
    """Spiking autoencoder that reconstructs, recalls, generates and completes stimuli.

    Stages from the stimulus down to the latent neurons, and the same shapes up again to the stimulus;
    the backward network is built alike, with weights of its own, and fed with the target.

    Args:
        input_shape: tuple, the shape of one stimulus. A preset in `weights` says this and the next six,
            which may then be left out.
        latent_units: positive int (default 64).
        timesteps: positive int (default 8); the stimulus is held as a current for as many steps.
        filters: tuple of positive ints, the channels of each stage of 3x3 convolutions above the latent
            neurons, each of which halves the maps (default `(32, 64)`).
        units: tuple of positive ints: fully connected stages of as many neurons instead.
        concepts: positive int, how many kinds of stimuli the prior tells apart (default 10).
        components: positive int, Gaussians in the prior of each concept (default 1).
        weights: name of a preset, path of a `.weights.h5` or `.keras` file of the same network, or `None`.
        neuron: dict of `SpikingLIF` arguments (default: its own defaults).
        name: of the model.
        **kwargs: further arguments of `keras_bsd.BSDAutoencoder`. Its `stimulus_range` is `(0, 1)` here.

    Returns:
        A `keras_bsd.BSDAutoencoder`, to be compiled.

    Raises:
        ValueError: an argument is missing or out of range, both `filters` and `units` are given, or the
            maps cannot be halved as often as there are filters.

    Example:

    >>> model = keras_bsd.applications.SpikingAutoencoder((28, 28, 1), latent_units=64)
    >>> model.compile(keras.optimizers.AdamW(6e-3))
    >>> model.fit(x, x)
    """
    filters, units = tuple(filters), tuple(units)
    if units and filters not in ((), DEFAULT_FILTERS):
        raise ValueError(f"Give `filters` or `units`, not both. Received: {filters=}, {units=}")
    shape = tuple(input_shape)
    hidden = {"timesteps": timesteps, "neuron": neuron or {}}
    networks = []
    for role in ("encoder", "decoder"):
        network = keras.Sequential([keras.Input(shape, name="stimulus")], name=role)
        for layer in (
            _dense_stages(shape, latent_units, units, hidden)
            if units
            else _conv_stages(shape, latent_units, filters, hidden)
        ):
            network.add(layer)
        networks.append(network)
    model = BSDAutoencoder(
        *networks,
        latent=LATENT,
        concepts=concepts,
        components=components,
        name=name,
        **{"stimulus_range": (0.0, 1.0), **kwargs},
    )
    if weights is not None:
        load_weights(model, weights)
    return model


def _dense_stages(shape, latent_units, units, hidden):
    down = [SpikingDense(count, **_down(i, hidden)) for i, count in enumerate(units)]
    up = [SpikingDense(count, **_up(i, hidden)) for i, count in enumerate(units[::-1])]
    image = [keras.layers.Dense(math.prod(shape)), keras.layers.Reshape(shape)]
    return [*_around_latent(down, up, latent_units, hidden), Readout(image, name="image")]


def _conv_stages(shape, latent_units, filters, hidden):
    if len(shape) != 3 or not filters or any(pixels % 2 ** len(filters) for pixels in shape[:2]):
        raise ValueError(
            f"`input_shape` must be (height, width, channels), both halved {len(filters)} times without a "
            f"rest, once by each of at least one of `filters`; or give `units`. Received: input_shape={shape}, "
            f"filters={filters}"
        )
    height, width = (pixels // 2 ** len(filters) for pixels in shape[:2])
    halving = [_strided(keras.layers.Conv2D, count) for count in filters]
    smallest = [
        keras.layers.Dense(height * width * filters[-1], use_bias=False),
        keras.layers.Reshape((height, width, filters[-1])),
    ]
    doubling = [_strided(keras.layers.Conv2DTranspose, count) for count in filters[-2::-1]]
    down = [SpikingStage(layer, normalization="batch", **_down(i, hidden)) for i, layer in enumerate(halving)]
    up = [
        SpikingStage(synapse, normalization="batch", **_up(i, hidden))
        for i, synapse in enumerate([smallest, *doubling])
    ]
    image = Readout(_strided(keras.layers.Conv2DTranspose, shape[-1], use_bias=True), name="image")
    return [*_around_latent(down, up, latent_units, hidden), image]


def _strided(layer, channels, use_bias=False):
    # Not a pool: the most of four neurons' currents does not tell where it was.
    return layer(channels, 3, strides=2, padding="same", use_bias=use_bias)


def _around_latent(down, up, latent_units, hidden):
    return [*down, SpikingDense(latent_units, neuron=_neuron(hidden), name=LATENT), *up]


def _down(i, hidden):
    timesteps = _checks.integer("timesteps", hidden["timesteps"], low=1) if i == 0 else None
    return {"timesteps": timesteps, "neuron": _neuron(hidden), "name": f"down_{i + 1}"}


def _up(i, hidden):
    return {"neuron": _neuron(hidden), "name": f"up_{i + 1}"}


def _neuron(hidden):
    return SpikingLIF(**hidden["neuron"])
