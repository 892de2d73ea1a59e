"""Convolutional stages."""

import keras

from keras_bsd import _checks
from keras_bsd.layers._skip_conv import SkipConv2D
from keras_bsd.layers._stage import ConfiguredStage


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingConv2D(ConfiguredStage):
    """Convolutional spiking stage: convolution, pooling of currents, normalisation, neurons.

    Args:
        filters: positive int.
        kernel_size: positive int.
        pool_size: positive int; maps shrink by this factor (max-pooling, rounded up).
        normalization: of the currents: `"batch"`, `"layer"` or `None`.
        neuron: a `SpikingLIF` (default: `SpikingLIF()`).
        timesteps: for the first stage, see `SpikingStage`.

    Call arguments:
        inputs: spikes `(batch, time, height, width, channels)`, or with `timesteps` a stimulus
            without the time axis. Gives spikes `(batch, time, height', width', filters)`.

    Example:

    >>> stage = keras_bsd.layers.SpikingConv2D(8, pool_size=2, timesteps=4)
    >>> stage(keras.random.normal((2, 9, 9, 1))).shape
    (2, 4, 5, 5, 8)
    """

    _config_keys = ("filters", "kernel_size", "pool_size", "normalization")

    def __init__(
        self,
        filters,
        kernel_size=3,
        pool_size=1,
        normalization="batch",
        neuron=None,
        timesteps=None,
        **kwargs,
    ):
        numbers = {"filters": filters, "kernel_size": kernel_size, "pool_size": pool_size}
        numbers = {name: _checks.integer(name, value, low=1) for name, value in numbers.items()}
        dtype = kwargs.get("dtype")
        convolution = keras.layers.Conv2D(
            numbers["filters"],
            numbers["kernel_size"],
            padding="same",
            use_bias=normalization is None,
            dtype=dtype,
        )
        synapse = [convolution]
        if pool_size > 1:  # before the normalisation, which is then as much cheaper
            synapse.append(keras.layers.MaxPooling2D(numbers["pool_size"], padding="same", dtype=dtype))
        super().__init__(synapse, neuron, timesteps, normalization, **kwargs)
        self.filters, self.kernel_size, self.pool_size = numbers.values()
        self.normalization = normalization

    def backward_synapse(self):
        height, width, channels = self.input_features
        layers = [
            keras.layers.Conv2DTranspose(channels, self.kernel_size, strides=self.pool_size, padding="same")
        ]
        excess = (-height % self.pool_size, -width % self.pool_size)
        if any(excess):
            layers.append(keras.layers.Cropping2D(tuple((0, pixels) for pixels in excess)))
        return layers


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingResidualConv2D(ConfiguredStage):
    """Convolutional stage whose currents take in spikes that skipped the stage before it.

    Its input is the spikes of the stage before, and after them, as the last channels, those that
    skipped (`keras.layers.Concatenate`). Both are convolved, the latter pointwise, and added before
    the normalisation, see `SkipConv2D`. The mirror image of this stage gives back the former alone.

    Args:
        filters: positive int.
        skip_channels: positive int, how many of the input's channels skipped.
        kernel_size: positive int.
        normalization: of the currents: `"batch"`, `"layer"` or `None`.
        neuron: a `SpikingLIF` (default: `SpikingLIF()`).

    Call arguments:
        inputs: spikes `(batch, time, height, width, channels)`.
            Gives spikes `(batch, time, height, width, filters)`.

    Example:

    >>> before, skipped = keras.ops.ones((2, 4, 8, 8, 16)), keras.ops.ones((2, 4, 8, 8, 12))
    >>> both = keras.layers.Concatenate()([before, skipped])
    >>> keras_bsd.layers.SpikingResidualConv2D(16, skip_channels=12)(both).shape
    (2, 4, 8, 8, 16)
    """

    _config_keys = ("filters", "skip_channels", "kernel_size", "normalization")

    def __init__(self, filters, skip_channels, kernel_size=3, normalization="batch", neuron=None, **kwargs):
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

    def backward_synapse(self):
        channels = self.input_features[-1] - self.skip_channels
        return [keras.layers.Conv2DTranspose(channels, self.kernel_size, padding="same")]
