import warnings

import keras
import pytest

import keras_bsd
from keras_bsd.callbacks import FiringRateCheck
from keras_bsd.layers import Readout, SpikingLIF, SpikingStage
from tests.models import pairs


def pair(lower, upper):
    """A pair of two stages with these thresholds and without normalization."""
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            SpikingStage(keras.layers.Dense(5), SpikingLIF(threshold=lower), timesteps=3, name="lower"),
            SpikingStage(
                keras.layers.Dense(6, bias_initializer="ones"), SpikingLIF(threshold=upper), name="upper"
            ),
            Readout(keras.layers.Dense(3), "softmax"),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((3,)),
            SpikingStage(keras.layers.Dense(6), timesteps=3),
            SpikingStage(keras.layers.Dense(5)),
            Readout(keras.layers.Dense(4)),
        ]
    )
    model = keras_bsd.BSDModel(encoder, decoder)
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    return model


def test_warns_once_of_each_dead_or_saturated_stage():
    model = pair(lower=1e3, upper=0.5)
    with pytest.warns() as caught:
        model.fit(*pairs.samples(model), epochs=3, callbacks=[FiringRateCheck()], verbose=0)
    messages = [str(warning.message) for warning in caught if "Stage '" in str(warning.message)]
    assert len(messages) == 2
    assert messages[0].startswith(
        "Stage 'lower' is dead: after epoch 1 its neurons fire at 0.00% of the time steps"
    )
    assert "Lower its threshold" in messages[0]
    assert messages[1].startswith("Stage 'upper' is saturated: after epoch 1 its neurons fire at 100.00%")
    assert "Raise its threshold" in messages[1]


def test_does_not_warn_of_other_stages():
    callback = FiringRateCheck(low=0.1, high=0.5)
    callback.on_train_begin()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        callback.on_epoch_end(0, {"a_firing_rate": 0.1, "b_firing_rate": 0.49, "loss": 7.0})
    with pytest.warns(UserWarning, match="Stage 'b' is saturated"):
        callback.on_epoch_end(1, {"a_firing_rate": 0.1, "b_firing_rate": 0.5})


def test_bad_input():
    with pytest.raises(ValueError, match=r"`high` must be a finite number in \[0.5, 1.0\]. Received: high=0.2"):
        FiringRateCheck(low=0.5, high=0.2)
