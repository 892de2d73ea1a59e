"""Ready-made pairs for generation."""

import math

import keras

from keras_bsd import checks
from keras_bsd.applications import presets
from keras_bsd.layers.readout import Readout
from keras_bsd.layers.spiking_dense import SpikingDense
from keras_bsd.layers.spiking_lif import SpikingLIF
from keras_bsd.layers.stages import SpikingStage
from keras_bsd.models.bsd_autoencoder import BSDAutoencoder

LATENT = "latent"


def SpikingAutoencoder(
    input_shape=None,
    latent_units=None,
    timesteps=None,
    filters=None,
    units=None,
    concepts=None,
    components=None,
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
    if filters and units:
        raise ValueError(f"Give `filters` or `units`, not both. Received: {filters=}, {units=}")
    arguments = presets.arguments(
        "SpikingAutoencoder",
        weights,
        input_shape=(input_shape, None),
        latent_units=(latent_units, 64),
        timesteps=(timesteps, 8),
        filters=(filters, () if units else (32, 64)),
        units=(units, ()),
        concepts=(concepts, 10),
        components=(components, 1),
        neuron=(neuron, {}),
    )
    shape, latent_units = tuple(arguments["input_shape"]), arguments["latent_units"]
    stages = _dense_stages if arguments["units"] else _conv_stages
    networks = []
    for role in ("encoder", "decoder"):
        network = keras.Sequential([keras.Input(shape, name="stimulus")], name=role)
        for layer in stages(shape, latent_units, arguments):
            network.add(layer)
        networks.append(network)
    model = BSDAutoencoder(
        *networks,
        latent=LATENT,
        concepts=arguments["concepts"],
        components=arguments["components"],
        name=name,
        **{"stimulus_range": (0.0, 1.0), **kwargs},
    )
    if weights is not None:
        presets.load_weights(model, weights)
    return model


def _dense_stages(shape, latent_units, arguments):
    down = [SpikingDense(units, **_down(i, arguments)) for i, units in enumerate(arguments["units"])]
    up = [SpikingDense(units, **_up(i, arguments)) for i, units in enumerate(arguments["units"][::-1])]
    image = [keras.layers.Dense(math.prod(shape)), keras.layers.Reshape(shape)]
    return [*_around_latent(down, up, latent_units, arguments), Readout(image, name="image")]


def _conv_stages(shape, latent_units, arguments):
    filters = arguments["filters"]
    if len(shape) != 3 or not filters or any(pixels % 2 ** len(filters) for pixels in shape[:2]):
        raise ValueError(
            f"`input_shape` must be (height, width, channels), both halved {len(filters)} times without a "
            f"rest, once by each of at least one of `filters`; or give `units`. Received: input_shape={shape}, "
            f"filters={tuple(filters)}"
        )
    height, width = (pixels // 2 ** len(filters) for pixels in shape[:2])
    halving = [_strided(keras.layers.Conv2D, count) for count in filters]
    smallest = [
        keras.layers.Dense(height * width * filters[-1], use_bias=False),
        keras.layers.Reshape((height, width, filters[-1])),
    ]
    doubling = [_strided(keras.layers.Conv2DTranspose, count) for count in filters[-2::-1]]
    down = [
        SpikingStage(layer, normalization="batch", **_down(i, arguments)) for i, layer in enumerate(halving)
    ]
    up = [
        SpikingStage(synapse, normalization="batch", **_up(i, arguments))
        for i, synapse in enumerate([smallest, *doubling])
    ]
    image = Readout(_strided(keras.layers.Conv2DTranspose, shape[-1], use_bias=True), name="image")
    return [*_around_latent(down, up, latent_units, arguments), image]


def _strided(layer, channels, use_bias=False):
    # Not a pool: the most of four neurons' currents does not tell where it was.
    return layer(channels, 3, strides=2, padding="same", use_bias=use_bias)


def _around_latent(down, up, latent_units, arguments):
    return [*down, SpikingDense(latent_units, neuron=_neuron(arguments), name=LATENT), *up]


def _down(i, arguments):
    timesteps = checks.integer("timesteps", arguments["timesteps"], low=1) if i == 0 else None
    return {"timesteps": timesteps, "neuron": _neuron(arguments), "name": f"down_{i + 1}"}


def _up(i, arguments):
    return {"neuron": _neuron(arguments), "name": f"up_{i + 1}"}


def _neuron(arguments):
    return SpikingLIF(**arguments["neuron"])
