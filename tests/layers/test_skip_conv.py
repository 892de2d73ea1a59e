import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd.layers import SkipConv2D


def test_sum_of_a_convolution_and_of_the_skipping_channels():
    layer = SkipConv2D(3, kernel_size=3, skip_channels=2)
    inputs = np.random.default_rng(0).normal(size=(2, 5, 6, 4)).astype("float32")
    outputs = ops.convert_to_numpy(layer(inputs))
    convolution = keras.layers.Conv2D(3, 3, padding="same")
    convolution.build((None, 5, 6, 2))
    convolution.set_weights(layer.convolution.get_weights())
    expected = ops.convert_to_numpy(convolution(inputs[..., :2]))
    expected[..., :2] += inputs[..., 2:]  # the identity, for the channels that both have
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    assert outputs.shape == layer.compute_output_shape(inputs.shape)


def test_too_few_channels():
    with pytest.raises(
        ValueError, match=r"needs more input channels than `skip_channels`. Received: channels=2, skip"
    ):
        SkipConv2D(3, 3, skip_channels=2)(np.zeros((1, 4, 4, 2), "float32"))
