"""A convolution beside which spikes skip: the synapse of residual stages."""

import keras
from keras import ops

from keras_bsd import _checks


@keras.saving.register_keras_serializable("keras_bsd")
class SkipConv2D(keras.layers.Layer):
    """Convolution of an input's first channels, plus a pointwise one of the last, those that skipped.

    Both parts are linear and are added, as at the end of a residual block. The pointwise part starts
    as the identity, as far as the numbers of channels allow.

    Args:
        filters: positive int.
        kernel_size: positive int.
        skip_channels: positive int, how many of the input's channels, the last ones, skipped.
        use_bias: bool.

    Call arguments:
        inputs: `(batch, height, width, channels)`. Gives `(batch, height, width, filters)`.

    Raises:
        ValueError: an argument is out of range, or the input has no channels besides the skipped.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    """

    def __init__(self, filters, kernel_size, skip_channels, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.filters = _checks.integer("filters", filters, low=1)
        self.kernel_size = _checks.integer("kernel_size", kernel_size, low=1)
        self.skip_channels = _checks.integer("skip_channels", skip_channels, low=1)
        self.use_bias = use_bias
        dtype = self.dtype_policy
        self.convolution = keras.layers.Conv2D(
            filters, kernel_size, padding="same", use_bias=use_bias, dtype=dtype
        )
        self.skip = keras.layers.Conv2D(filters, 1, use_bias=False, kernel_initializer=_identity, dtype=dtype)

    def build(self, input_shape):
        *outer, channels = input_shape
        if channels <= self.skip_channels:
            raise ValueError(
                f"Layer '{self.name}' needs channels besides those that skipped. Received: {channels} "
                f"channels, skip_channels={self.skip_channels}"
            )
        self.convolution.build((*outer, channels - self.skip_channels))
        self.skip.build((*outer, self.skip_channels))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def call(self, inputs):
        convolved, skipped = ops.split(inputs, [inputs.shape[-1] - self.skip_channels], axis=-1)
        return self.convolution(convolved) + self.skip(skipped)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "skip_channels": self.skip_channels,
            "use_bias": self.use_bias,
        }


def _identity(shape, dtype=None):
    return ops.reshape(ops.eye(*shape[-2:], dtype=dtype), shape)
