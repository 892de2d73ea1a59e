import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd.layers import Readout, SpikingDense
from tests.models import pairs


def outputs(network, x):
    return ops.convert_to_numpy(network(x))


def test_with_timesteps(digits):
    model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(32, 16))
    x = digits[1][0][:20]
    for steps in (1, 4, 9):
        copied = keras_bsd.with_timesteps(model.encoder, steps)
        other = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, steps, units=(32, 16))
        other.set_weights(model.get_weights())
        np.testing.assert_array_equal(outputs(copied, x), outputs(other.encoder, x))
    assert not {id(v) for v in copied.variables} & {id(v) for v in model.variables}


@pytest.mark.parametrize("make", [pairs.conv_pair, pairs.residual_pair])
def test_every_kind_of_stage(make):
    model = make()
    copied = keras_bsd.with_timesteps(model.encoder, 3)
    x, _ = pairs.samples(model)
    np.testing.assert_array_equal(outputs(copied, x), outputs(model.encoder, x))
    assert keras_bsd.with_timesteps(model.decoder, 5).layers[-2].output.shape[1] == 5


def test_models_without_a_held_stimulus():
    model = keras.Sequential([keras.Input((4, 3)), keras_bsd.layers.SpikingDense(2)])
    with pytest.raises(
        ValueError, match=r"holds a stimulus: its inputs have a time axis, .* Received: timesteps=3"
    ):
        keras_bsd.with_timesteps(model, 3)
    with pytest.raises(ValueError, match="Received: timesteps=0"):
        keras_bsd.with_timesteps(pairs.dense_pair().encoder, 0)


@pytest.mark.parametrize("make", [pairs.dense_pair, pairs.autoencoder, pairs.character_pair])
def test_a_pair(make):
    model = make()
    faster = keras_bsd.with_timesteps(model, 2)
    assert type(faster) is type(model)
    assert faster.encoder_stages[0].timesteps == faster.decoder_stages[-1].timesteps == 2
    assert faster.encoder_stages[0].timesteps != model.encoder_stages[0].timesteps
    for weight, expected in zip(faster.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_no_model():
    with pytest.raises(
        ValueError, match=r"`model` must be a built Sequential or functional keras.Model. Received: "
    ):
        keras_bsd.with_timesteps("encoder", 2)


def test_a_subclassed_model_within_a_network():
    class Part(keras.Model):
        def __init__(self):
            super().__init__(name="part")
            self.stage = SpikingDense(3, timesteps=2)

        def call(self, inputs):
            return self.stage(inputs)

    network = keras.Sequential([keras.Input((4,)), Part(), Readout(keras.layers.Dense(2))])
    with pytest.raises(
        ValueError, match=r"Sequential or functional to be copied. Received: 'part' of <class.*Build"
    ):
        keras_bsd.with_timesteps(network, 3)
