"""Residual convolutional classifier."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_bsd._types import Config, Model, Path, Shape, Tensor
from keras_bsd.applications._builders import from_weights, neuron_factory, stage_sizes
from keras_bsd.applications._recognition import (
    build_classifier,
    image_tensor,
    of_maps,
    pool_spikes,
    steps_to_hold,
)
from keras_bsd.layers._conv import SpikingConv2D, SpikingResidualConv2D
from keras_bsd.layers._neurons import Neuron
from keras_bsd.models._pair import BSDModel


@from_weights
def SpikingResNet(
    input_shape: Shape | None = None,
    classes: int | None = None,
    timesteps: int | None = 4,
    filters: Sequence[int] = (32, 64, 128),
    blocks: Sequence[int] = (2, 2, 2),
    include_top: bool = True,
    input_tensor: Tensor | None = None,
    weights: Path | None = None,
    neuron: Config | Neuron | None = None,
    name: str = "spiking_res_net",
    *,
    decoder: Config | None = None,
    **kwargs: Any,
) -> BSDModel | Model:
    """Build a deep residual spiking classifier and a decoder with a stage for each of its stages.

    The first stage halves the maps; groups of blocks follow, and each group but the first halves the maps
    again. A block has two stages. The currents of the second are a convolution of the first's spikes plus a
    pointwise convolution of the block's input spikes. Only spikes pass between stages, skip connections
    included. The defaults make 13 spiking stages.

    Args:
        input_shape: tuple `(height, width, channels)`, with `timesteps=None`
            `(time, height, width, channels)`. Required unless `weights` is a preset or
            a `.keras` file, which provides this and the next four arguments.
        classes: int, at least 2. Required unless `weights` is a preset.
        timesteps: positive int, time steps for which a stimulus is held as a constant current. `None`: stimuli
            are spikes or values over time, and the first axis of `input_shape` is that of time, an int or None.
        filters: positive ints, channels of each group.
        blocks: positive ints, as many as `filters`, the number of blocks in each group.
        include_top, input_tensor, weights, neuron, name, decoder, **kwargs: see `SpikingMLP`; `layer_loss` is
            `keras_bsd.losses.InfoNCE()` by default.

    Returns:
        A `keras_bsd.BSDModel`, not compiled.

    Raises:
        ValueError: as `SpikingMLP`, or `filters` and `blocks` differ in length.

    Example:

    >>> model = keras_bsd.applications.SpikingResNet((32, 32, 3), 10, filters=(16, 32), blocks=(1, 1))
    >>> [stage.name for stage in model.encoder_stages]
    ['stem', 'block_1_1_a', 'block_1_1_b', 'block_2_1_a', 'block_2_1_b']

    Source: blocks after He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    """
    timesteps = steps_to_hold(timesteps)
    filters, blocks = stage_sizes("filters", filters), stage_sizes("blocks", blocks)
    if len(filters) != len(blocks):
        raise ValueError(
            f"`blocks` must have one number for each of `filters`. Received: {filters=}, {blocks=}"
        )
    new_neuron = neuron_factory(neuron)
    stem = SpikingConv2D(filters[0], pool_size=2, neuron=new_neuron(), timesteps=timesteps, name="stem")
    spikes = stem(image_tensor(input_shape, input_tensor, timesteps is None))
    for group, (channels, count) in enumerate(zip(filters, blocks, strict=True), 1):
        for block in range(1, count + 1):
            pool_size = 2 if group > 1 and block == 1 else 1
            spikes = _residual_block(spikes, channels, pool_size, new_neuron, f"block_{group}_{block}")
    return build_classifier(spikes, classes, include_top, weights, decoder, name, of_maps(kwargs))


def _residual_block(spikes, channels, pool_size, new_neuron, name):
    skipped = pool_spikes(spikes, pool_size, name=f"{name}_skip")
    spikes = SpikingConv2D(channels, pool_size=pool_size, neuron=new_neuron(), name=f"{name}_a")(spikes)
    spikes = keras.layers.Concatenate(name=f"{name}_both")([spikes, skipped])
    residual = SpikingResidualConv2D(
        channels, skip_channels=skipped.shape[-1], neuron=new_neuron(), name=f"{name}_b"
    )
    return residual(spikes)
