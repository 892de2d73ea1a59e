"""A convolution with a skip connection beside it: the synapse of residual stages."""

from typing import Any

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("keras_bsd")
class SkipConv2D(keras.layers.Layer):
    """Sum of a convolution of the input's first channels and a pointwise convolution of its last channels.

    The last channels come by a skip connection. Both convolutions are linear, and their sum is that at the end
    of a residual block. The pointwise one starts as the identity, for as many channels as input and output
    share.

    Args:
        filters: positive int.
        kernel_size: positive int.
        skip_channels: positive int, the number of the input's last channels that come by the skip connection.
        use_bias: bool.

    Call arguments:
        inputs: `(batch, height, width, channels)`. Returns `(batch, height, width, filters)`.

    Raises:
        ValueError: an argument is out of range, or the input has no more than `skip_channels` channels.

    Example:

    >>> layer = keras_bsd.layers.SkipConv2D(16, kernel_size=3, skip_channels=4)
    >>> tuple(layer(ops.ones((2, 8, 8, 12))).shape)
    (2, 8, 8, 16)

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    """

    def __init__(
        self, filters: int, kernel_size: int, skip_channels: int, use_bias: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters = _checks.integer("filters", filters, low=1)
        self.kernel_size = _checks.integer("kernel_size", kernel_size, low=1)
        self.skip_channels = _checks.integer("skip_channels", skip_channels, low=1)
        self.use_bias = use_bias
        options = {"data_format": "channels_last", "dtype": self.dtype_policy}
        self.convolution = keras.layers.Conv2D(
            filters, kernel_size, padding="same", use_bias=use_bias, **options
        )
        self.skip = keras.layers.Conv2D(filters, 1, use_bias=False, kernel_initializer=_identity, **options)

    def build(self, input_shape: Shape) -> None:
        *outer, channels = input_shape
        if channels is None or channels <= self.skip_channels:
            raise ValueError(
                f"Layer '{self.name}' needs more input channels than `skip_channels`. "
                f"Received: channels={channels}, skip_channels={self.skip_channels}"
            )
        self.convolution.build((*outer, channels - self.skip_channels))
        self.skip.build((*outer, self.skip_channels))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.filters)

    def call(self, inputs: Tensor) -> Tensor:
        before, skipping = ops.split(inputs, [inputs.shape[-1] - self.skip_channels], axis=-1)
        return self.convolution(before) + self.skip(skipping)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "skip_channels": self.skip_channels,
            "use_bias": self.use_bias,
        }


def _identity(shape, dtype=None):
    return ops.reshape(ops.eye(*shape[-2:], dtype=dtype), shape)
