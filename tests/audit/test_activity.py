import keras
import numpy as np
import pytest

from keras_bsd.audit import membranes, spikes
from keras_bsd.layers import SpikingLIF, SpikingStage
from tests.models import pairs


@pytest.mark.parametrize(
    ("neuron", "expected"),
    [
        ({"reset": "hard"}, [0.8, 1.2, 0.8, 1.2]),
        ({"reset": "soft"}, [0.8, 1.2, 0.9, 1.25]),
        ({"reset": "hard", "refractory_steps": 1}, [0.8, 1.2, 0.0, 0.8]),
    ],
)
def test_by_hand(neuron, expected):
    dense = keras.layers.Dense(1, use_bias=False)
    stage = SpikingStage(dense, SpikingLIF(beta=0.5, threshold=1.0, **neuron), timesteps=4, name="one")
    network = keras.Sequential([keras.Input((1,)), stage])
    dense.kernel.assign([[0.8]])
    seen = membranes(network, "one", [[1.0]])
    np.testing.assert_allclose(seen["membranes"][0, :, 0], expected, rtol=1e-6)
    np.testing.assert_array_equal(seen["spikes"], seen["membranes"] >= 1)
    assert seen["threshold"] == 1


def test_of_a_stage_within_a_network():
    model = pairs.conv_pair()
    x, _ = pairs.samples(model)
    name = model.encoder_stages[1].name
    seen = membranes(model.encoder, name, x)
    np.testing.assert_array_equal(seen["spikes"], model.spikes(x)[name])
    np.testing.assert_array_equal(seen["spikes"], seen["membranes"] >= np.float32(seen["threshold"]))
    with pytest.raises(
        ValueError, match=r"no stage of that name, but first, second, third. Received: stage='a'"
    ):
        membranes(pairs.dense_encoder(), "a", x)


def test_spikes_of_both_networks_and_of_nested_models():
    model = pairs.conv_pair()
    x, _ = pairs.samples(model)
    found = spikes(model.encoder, x)
    for name, expected in model.spikes(x).items():
        np.testing.assert_array_equal(found[name], expected)
    stimulus = keras.Input(model.encoder.input_shape[1:])
    nested = spikes(keras.Model(stimulus, model.encoder(stimulus)), x)
    assert list(nested) == list(found) == [stage.name for stage in model.encoder_stages]
    assert list(spikes(model.decoder, np.eye(3))) == [stage.name for stage in reversed(model.decoder_stages)]
