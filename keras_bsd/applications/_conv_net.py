"""Convolutional classifier."""

from collections.abc import Sequence
from typing import Any, Literal

import keras

from keras_bsd import _checks
from keras_bsd._types import Config, Model, Path, Shape, Tensor
from keras_bsd.applications._builders import from_weights, neuron_factory, stage_sizes
from keras_bsd.applications._recognition import (
    build_classifier,
    image_tensor,
    of_maps,
    pool_spikes,
    steps_to_hold,
)
from keras_bsd.layers._conv import SpikingConv2D
from keras_bsd.layers._neurons import Neuron
from keras_bsd.models._pair import BSDModel


@from_weights
def SpikingConvNet(
    input_shape: Shape | None = None,
    classes: int | None = None,
    timesteps: int | None = 4,
    filters: Sequence[int] = (32, 64, 128, 128, 128),
    pool_sizes: Sequence[int] = (1, 2, 2, 2, 1),
    include_top: bool = True,
    input_tensor: Tensor | None = None,
    weights: Path | None = None,
    neuron: Config | Neuron | None = None,
    name: str = "spiking_conv_net",
    *,
    skips: Literal["dense"] | None = None,
    decoder: Config | None = None,
    **kwargs: Any,
) -> BSDModel | Model:
    """Build a convolutional spiking classifier and the decoder that mirrors it.

    Args:
        input_shape: tuple `(height, width, channels)`, with `timesteps=None`
            `(time, height, width, channels)`. Required unless `weights` is a preset or
            a `.keras` file, which provides this and the next four arguments.
        classes: int, at least 2. Required unless `weights` is a preset.
        timesteps: positive int, time steps for which a stimulus is held as a constant current. `None`: stimuli
            are spikes or values over time, and the first axis of `input_shape` is that of time, an int or None.
        filters: positive ints, channels of each stage of 3x3 convolutions.
        pool_sizes: positive ints, as many as `filters`, the factor by which each stage shrinks the maps.
        skips: `"dense"`, by which each stage also receives the spikes of all earlier stages, their maps shrunk
            to its size by max-pooling; or `None`, by which it receives those of the stage before it alone.
        include_top, input_tensor, weights, neuron, name, decoder, **kwargs: see `SpikingMLP`; `layer_loss` is
            `keras_bsd.losses.InfoNCE()` by default.

    Returns:
        A `keras_bsd.BSDModel`, not compiled.

    Raises:
        ValueError: as `SpikingMLP`, `filters` and `pool_sizes` differ in length, or there are too few stages
            for `skips`.

    Example:

    >>> model = keras_bsd.applications.SpikingConvNet((28, 28, 1), 10, filters=(16, 32), pool_sizes=(2, 2))
    >>> [stage.output_features for stage in model.encoder_stages]
    [(14, 14, 16), (7, 7, 32)]

    Source: Huang et al., "Densely Connected Convolutional Networks", CVPR 2017, for the skip connections.
    """
    timesteps = steps_to_hold(timesteps)
    filters, pool_sizes = stage_sizes("filters", filters), stage_sizes("pool_sizes", pool_sizes)
    if len(filters) != len(pool_sizes):
        raise ValueError(
            f"`pool_sizes` must have one size for each of `filters`. Received: {filters=}, {pool_sizes=}"
        )
    _checks.one_of("skips", skips, ("dense", None))
    if skips and len(filters) < 3:
        raise ValueError(
            "Dense skip connections need at least three stages, since the first receives the stimulus and the "
            f"second no spikes but the first's. Received: {skips=}, {filters=}. Omit `skips`."
        )
    new_neuron = neuron_factory(neuron)
    spikes = image_tensor(input_shape, input_tensor, timesteps is None)
    earlier: list[Tensor] = []
    for i, (channels, pool_size) in enumerate(zip(filters, pool_sizes, strict=True)):
        stage = SpikingConv2D(
            channels,
            pool_size=pool_size,
            neuron=new_neuron(),
            timesteps=timesteps if i == 0 else None,
            name=f"conv_{i + 1}",
        )
        below = [spikes, *earlier]
        spikes = stage(keras.layers.Concatenate(name=f"conv_{i + 1}_inputs")(below) if earlier else spikes)
        if skips == "dense" and i > 0:
            earlier = [pool_spikes(maps, pool_size) for maps in below]
    return build_classifier(spikes, classes, include_top, weights, decoder, name, of_maps(kwargs))
