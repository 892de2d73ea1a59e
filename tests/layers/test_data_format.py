"""Channels are last, whatever `image_data_format` Keras's configuration has."""

import keras
import numpy as np
import pytest

from keras_bsd.applications import SpikingConvNet
from tests.models import pairs

NETWORKS = {
    "conv": lambda: pairs.conv_pair(local_readout_weight=1.0),
    "residual": pairs.residual_pair,
    "autoencoder": lambda: pairs.autoencoder(local_readout_weight=1.0),
    "dense": lambda: pairs.autoencoder(units=(6,)),
    "forecaster": pairs.forecast_pair,
    "characters": pairs.character_pair,
}


@pytest.fixture
def channels_first():
    yield lambda: keras.config.set_image_data_format("channels_first")
    keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize(
    "name", [name if name == "conv" else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]
)
def test_networks_learn_and_predict_the_same(name, channels_first):
    weights, predictions = [], []
    for configure in (lambda: None, channels_first):
        configure()
        keras.utils.set_random_seed(0)
        model = NETWORKS[name]()
        model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        x, y = pairs.samples(model)
        model.fit(x, y, shuffle=False, verbose=0)
        weights.append(model.get_weights())
        predictions.append(model.predict(x, verbose=0))
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(*predictions)


@pytest.mark.slow
def test_a_preset(channels_first):
    x = np.random.default_rng(0).random((2, 28, 28, 1), "float32")
    expected = SpikingConvNet(weights="mnist_conv").predict(x, verbose=0)
    channels_first()
    np.testing.assert_array_equal(SpikingConvNet(weights="mnist_conv").predict(x, verbose=0), expected)
