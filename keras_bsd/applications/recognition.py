"""Ready-made pairs for recognition."""

import keras

from keras_bsd import checks
from keras_bsd.layers.spiking_lif import SpikingLIF
from keras_bsd.layers.stages import Readout, SpikingConv2D, SpikingDense
from keras_bsd.models.bsd_model import BSDModel
from keras_bsd.models.mirror import mirror


def SpikingMLP(
    input_shape,
    classes,
    timesteps=4,
    units=(512, 512, 512, 512, 512),
    weights=None,
    neuron=None,
    name="spiking_mlp",
    **kwargs,
):
    """Fully connected spiking classifier and its mirror image.

    Args:
        input_shape: tuple, the shape of one stimulus.
        classes: int, at least 2.
        timesteps: positive int; the stimulus is held as a current for as many steps.
        units: tuple of positive ints, the neurons of each stage.
        weights: path of a `.weights.h5` or `.keras` file of the same network, or `None`.
        neuron: dict of `SpikingLIF` arguments (default: none, its own defaults).
        name: of the model.
        **kwargs: further arguments of `keras_bsd.BSDModel`.

    Returns:
        A `keras_bsd.BSDModel`, to be compiled.

    Raises:
        ValueError: an argument is out of range.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((8, 8, 1), classes=10, units=(128, 128))
    """
    stages = [
        SpikingDense(
            count,
            neuron=SpikingLIF(**(neuron or {})),
            timesteps=_only_first(i, timesteps),
            name=f"dense_{i + 1}",
        )
        for i, count in enumerate(units)
    ]
    return _pair(input_shape, classes, stages, [], weights, name, kwargs)


def SpikingConvNet(
    input_shape,
    classes,
    timesteps=4,
    filters=(32, 64, 128, 128, 128),
    pool_sizes=(1, 2, 2, 2, 1),
    weights=None,
    neuron=None,
    name="spiking_conv_net",
    **kwargs,
):
    """Convolutional spiking classifier and its mirror image.

    Args:
        input_shape: tuple `(height, width, channels)`.
        classes: int, at least 2.
        timesteps: positive int; the stimulus is held as a current for as many steps.
        filters: tuple of positive ints, the channels of each stage (3x3 convolutions).
        pool_sizes: tuple as long as `filters`, by how much each stage shrinks the maps.
        weights, neuron, name, **kwargs: see `SpikingMLP`.

    Returns:
        A `keras_bsd.BSDModel`, to be compiled.

    Raises:
        ValueError: an argument is out of range.

    Example:

    >>> model = keras_bsd.applications.SpikingConvNet((28, 28, 1), 10, filters=(16, 32), pool_sizes=(2, 2))
    """
    if len(input_shape) != 3:
        raise ValueError(f"`input_shape` must be (height, width, channels). Received: {input_shape=}")
    if len(filters) != len(pool_sizes):
        raise ValueError(f"Give one pool size for each stage. Received: {filters=}, {pool_sizes=}")
    stages = [
        SpikingConv2D(
            channels,
            pool_size=pool_size,
            neuron=SpikingLIF(**(neuron or {})),
            timesteps=_only_first(i, timesteps),
            name=f"conv_{i + 1}",
        )
        for i, (channels, pool_size) in enumerate(zip(filters, pool_sizes, strict=True))
    ]
    return _pair(input_shape, classes, stages, [keras.layers.Flatten()], weights, name, kwargs)


def _only_first(i, timesteps):
    return checks.integer("timesteps", timesteps, low=1) if i == 0 else None


def _pair(input_shape, classes, stages, flatten, weights, name, kwargs):
    classes = checks.integer("classes", classes, low=2)
    if not stages:
        raise ValueError("A spiking network needs at least one stage. Received: none")
    readout = Readout([*flatten, keras.layers.Dense(classes)], "softmax", name="scores")
    encoder = keras.Sequential([keras.Input(input_shape, name="stimulus"), *stages, readout], name="encoder")
    model = BSDModel(encoder, mirror(encoder), name=name, **kwargs)
    if weights is not None:
        model.load_weights(weights)
    return model
