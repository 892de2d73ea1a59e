import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd.applications import SpikingMLP, SpikingRNN
from keras_bsd.audit import decisions_over_time
from keras_bsd.layers import Readout, SequenceReadout, SpikingDense, SpikingLIF, SpikingRecurrent, SpikingStage


def test_by_hand():
    """Spikes pass unchanged: evidence for class 0 comes first, and more for class 1 later."""
    stage = SpikingStage(keras.layers.Identity(), SpikingLIF(beta=0.0, threshold=0.5))
    network = keras.Sequential([keras.Input((5, 2)), stage, Readout(keras.layers.Identity(), "softmax")])
    x = np.array(
        [[[1, 0], [0, 0], [0, 1], [0, 1], [0, 0]], [[1, 0], [0, 0], [0, 0], [0, 0], [1, 0]]], "float32"
    )
    result = decisions_over_time(network, x, [1, 0])
    np.testing.assert_array_equal(result["decisions"], [[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(result["latency"], [4, 1])
    np.testing.assert_array_equal(result["accuracy"], [0.5, 0.5, 0.5, 1, 1])


@pytest.mark.parametrize("kind", ["held", "series", "recurrent"])
def test_the_last_decision_is_the_prediction_and_earlier_ones_of_shorter_samples(kind):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).random((7, *((4,) if kind == "held" else (6, 4)))).astype("float32")
    make = {
        "held": lambda steps: SpikingMLP((4,), 3, timesteps=steps, units=(9, 8)),
        "series": lambda steps: SpikingMLP(
            (steps, 4), 3, timesteps=None, units=(9, 8), decoder={"recall": "mean"}
        ),
        "recurrent": lambda steps: SpikingRNN((steps, 4), 3, units=(9, 8), delays=2),
    }[kind]
    model, shorter = make(6), make(3)
    shorter.set_weights(model.get_weights())
    decisions = decisions_over_time(model, x, batch_size=3)["decisions"]
    np.testing.assert_array_equal(decisions[:, -1], model.predict(x, verbose=0).argmax(axis=1))
    early = x if kind == "held" else x[:, :3]
    np.testing.assert_array_equal(decisions[:, 2], shorter.predict(early, verbose=0).argmax(axis=1))


def test_one_logit_decides_by_its_sign():
    stage = SpikingStage(keras.layers.Identity(), SpikingLIF(beta=0.0, threshold=0.5))
    weights = [np.array([[0.4], [-0.4]]), np.zeros(1)]
    network = keras.Sequential([keras.Input((3, 2)), stage, Readout(keras.layers.Dense(1))])
    network.layers[-1].set_weights(weights)
    x = np.array([[[1, 0], [0, 1], [0, 1]]], "float32")
    np.testing.assert_array_equal(decisions_over_time(network, x)["decisions"], [[1, 0, 0]])


class _Peak(Readout):
    def rates(self, spikes):
        return ops.max(spikes, axis=1)


def test_padding_changes_no_decision():
    inputs = keras.Input((None, 4))
    spikes = SpikingRecurrent(6, timesteps=2)(keras.layers.Masking(-1.0)(inputs))
    readout = SequenceReadout(keras.layers.Dense(3), "softmax", targets="mean")
    network = keras.Model(inputs, readout(spikes))
    x = np.random.default_rng(0).random((5, 6, 4)).astype("float32")
    padded = np.concatenate([x, np.full((5, 2, 4), -1, "float32")], axis=1)
    whole, longer = (decisions_over_time(network, values)["decisions"] for values in (x, padded))
    np.testing.assert_array_equal(longer[:, :6], whole)
    np.testing.assert_array_equal(longer[:, 6:], np.repeat(whole[:, -1:], 2, axis=1))


@pytest.mark.parametrize(
    ("make", "y", "message"),
    [
        (lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), None, "ends in a Readout"),
        (lambda: keras_bsd.applications.SpikingCharRNN("abc", units=(4,)), None, 'targets="mean"'),
        (
            lambda: keras.Sequential(
                [keras.Input((4,)), SpikingDense(3, timesteps=2), _Peak(keras.layers.Dense(3), "softmax")]
            ),
            None,
            "ends in a Readout",
        ),
        (lambda: SpikingMLP((4,), 3, units=(4,)), [0], r"`y` must be classes of shape \(2,\). Received"),
        (lambda: SpikingMLP((4,), 3, units=(4,)), [0, 3], "Classes"),
    ],
)
def test_bad_arguments(make, y, message):
    with pytest.raises(ValueError, match=message):
        decisions_over_time(make(), ops.convert_to_numpy(ops.ones((2, 4))), y)
