"""Convolutional stages."""

from typing import Any

import keras

from keras_bsd import _checks
from keras_bsd._types import Layer
from keras_bsd.layers._neurons import Neuron
from keras_bsd.layers._normalization import Normalization
from keras_bsd.layers._skip_conv import SkipConv2D
from keras_bsd.layers._stage import ConfiguredStage

# Whatever `image_data_format` the user's Keras configuration has.
_MAPS: dict[str, Any] = {"padding": "same", "data_format": "channels_last"}


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingConv2D(ConfiguredStage):
    """Convolutional spiking stage: convolution, max-pooling of currents, normalisation, neurons.

    Args:
        filters: positive int.
        kernel_size: positive int.
        pool_size: positive int; height and width are divided by it, rounded up.
        normalization: of the currents: `"batch"`, `"layer"` or `None`.
        neuron: a `SpikingLIF`, other `SpikingNeurons` or a `SpikingCell` (default: `SpikingLIF()`).
        timesteps: for the first stage, see `SpikingStage`.

    Call arguments:
        inputs: spikes `(batch, time, height, width, channels)`, or with `timesteps` a stimulus without the time
            axis. Returns spikes `(batch, time, height / pool_size, width / pool_size, filters)`.

    Example:

    >>> stage = keras_bsd.layers.SpikingConv2D(8, pool_size=2, timesteps=4)
    >>> tuple(stage(keras.random.normal((2, 9, 9, 1))).shape)
    (2, 4, 5, 5, 8)
    """

    _config_keys = ("filters", "kernel_size", "pool_size", "normalization")

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        pool_size: int = 1,
        normalization: Normalization = "batch",
        neuron: Neuron | None = None,
        timesteps: int | None = None,
        **kwargs: Any,
    ) -> None:
        filters = _checks.integer("filters", filters, low=1)
        kernel_size = _checks.integer("kernel_size", kernel_size, low=1)
        pool_size = _checks.integer("pool_size", pool_size, low=1)
        options = {**_MAPS, "dtype": kwargs.get("dtype")}
        synapse = [keras.layers.Conv2D(filters, kernel_size, use_bias=normalization is None, **options)]
        if pool_size > 1:  # before the normalisation, which then has fewer values to process
            synapse.append(keras.layers.MaxPooling2D(pool_size, **options))
        super().__init__(synapse, neuron, timesteps, normalization, **kwargs)
        self.filters, self.kernel_size, self.pool_size = filters, kernel_size, pool_size
        self.normalization = normalization

    def backward_synapse(self, features: tuple[Any, ...] | None = None) -> list[Layer]:
        height, width, channels = features or self.input_features
        layers = [keras.layers.Conv2DTranspose(channels, self.kernel_size, strides=self.pool_size, **_MAPS)]
        excess = (-height % self.pool_size, -width % self.pool_size)
        if any(excess):
            cropping = tuple((0, pixels) for pixels in excess)
            layers.append(keras.layers.Cropping2D(cropping, data_format=_MAPS["data_format"]))
        return layers


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingResidualConv2D(ConfiguredStage):
    """Convolutional spiking stage that also receives spikes by a skip connection.

    Its input is a concatenation (`keras.layers.Concatenate`): the spikes of the stage before it and, as the
    last channels, spikes that skip that stage. A convolution of the former and a pointwise convolution of the
    latter are added before the normalisation, see `SkipConv2D`. The stage of the decoder that mirrors this one
    outputs the former channels alone.

    Args:
        filters: positive int.
        skip_channels: positive int, the number of the input's last channels that come by the skip connection.
        kernel_size: positive int.
        normalization: of the currents: `"batch"`, `"layer"` or `None`.
        neuron: a `SpikingLIF`, other `SpikingNeurons` or a `SpikingCell` (default: `SpikingLIF()`).

    Call arguments:
        inputs: spikes `(batch, time, height, width, channels)`. Returns spikes
            `(batch, time, height, width, filters)`.

    Example:

    >>> spikes, skipping = ops.ones((2, 4, 8, 8, 16)), ops.ones((2, 4, 8, 8, 12))
    >>> both = keras.layers.Concatenate()([spikes, skipping])
    >>> tuple(keras_bsd.layers.SpikingResidualConv2D(16, skip_channels=12)(both).shape)
    (2, 4, 8, 8, 16)
    """

    _config_keys = ("filters", "skip_channels", "kernel_size", "normalization")

    def __init__(
        self,
        filters: int,
        skip_channels: int,
        kernel_size: int = 3,
        normalization: Normalization = "batch",
        neuron: Neuron | None = None,
        **kwargs: Any,
    ) -> None:
        convolution = SkipConv2D(
            filters,
            kernel_size,
            skip_channels,
            use_bias=normalization is None,
            dtype=kwargs.get("dtype"),
        )
        super().__init__(convolution, neuron, normalization=normalization, **kwargs)
        self.filters, self.skip_channels = convolution.filters, convolution.skip_channels
        self.kernel_size, self.normalization = convolution.kernel_size, normalization

    def backward_synapse(self, features: tuple[Any, ...] | None = None) -> list[Layer]:
        channels = features[-1] if features else self.input_features[-1] - self.skip_channels
        return [keras.layers.Conv2DTranspose(channels, self.kernel_size, **_MAPS)]
