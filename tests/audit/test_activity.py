import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd._observe import observe
from keras_bsd.audit import membranes, spikes
from keras_bsd.layers import Readout, SpikingDense, SpikingLIF, SpikingRecurrent, SpikingStage
from tests.models import pairs


@pytest.mark.parametrize(
    ("neuron", "expected"),
    [
        ({"reset": "hard"}, [0.8, 1.2, 0.8, 1.2]),
        ({"reset": "soft"}, [0.8, 1.2, 0.9, 1.25]),
        ({"reset": "hard", "refractory_steps": 1}, [0.8, 1.2, 0.0, 0.8]),
    ],
)
def test_membranes_by_hand(neuron, expected):
    dense = keras.layers.Dense(1, use_bias=False)
    stage = SpikingStage(dense, SpikingLIF(beta=0.5, threshold=1.0, **neuron), timesteps=4, name="one")
    network = keras.Sequential([keras.Input((1,)), stage])
    dense.kernel.assign([[0.8]])
    traces = membranes(network, "one", [[1.0]])
    np.testing.assert_allclose(traces["membranes"][0, :, 0], expected, rtol=1e-6)
    np.testing.assert_array_equal(traces["spikes"], traces["membranes"] >= 1)
    assert traces["threshold"] == 1


def test_a_stage_within_a_network():
    model = pairs.conv_pair()
    x, _ = pairs.samples(model)
    name = model.encoder_stages[1].name
    traces = membranes(model.encoder, name, x)
    np.testing.assert_array_equal(traces["spikes"], model.spikes(x)[name])
    np.testing.assert_array_equal(traces["spikes"], traces["membranes"] >= np.float32(traces["threshold"]))
    with pytest.raises(
        ValueError, match=r"Unknown `stage`: choose one of 'first', 'second', 'third'. Received: stage='a'"
    ):
        membranes(pairs.dense_encoder(), "a", x)


def test_spikes_of_both_networks_and_of_nested_models():
    model = pairs.conv_pair()
    x, _ = pairs.samples(model)
    recorded = spikes(model.encoder, x)
    for name, expected in model.spikes(x).items():
        np.testing.assert_array_equal(recorded[name], expected)
    stimulus = keras.Input(model.encoder.input_shape[1:])
    nested = keras.Model(stimulus, model.encoder(stimulus))
    by_stage = spikes(nested, x)
    assert list(by_stage) == list(recorded) == [stage.name for stage in model.encoder_stages]
    for name, expected in recorded.items():
        np.testing.assert_array_equal(by_stage[name], expected)
    name = model.encoder_stages[-1].name
    np.testing.assert_array_equal(
        membranes(nested, name, x)["membranes"], membranes(model.encoder, name, x)["membranes"]
    )
    assert list(spikes(model.decoder, np.eye(3))) == [stage.name for stage in reversed(model.decoder_stages)]


def test_a_recurrent_stage_by_stepping_its_cell():
    """The reference applies weights and cell element by element, without the stage's own loop."""
    neuron = SpikingLIF(beta=0.8, threshold=0.5, reset="soft", refractory_steps=1)
    stage = SpikingRecurrent(3, delays=2, timesteps=2, normalization=None, neuron=neuron, name="recurrent")
    network = keras.Sequential([keras.Input((4, 2)), stage])
    x = 2 * np.random.default_rng(0).random((5, 4, 2)).astype("float32")
    traces = membranes(network, "recurrent", x)
    assert traces["membranes"].shape == traces["spikes"].shape == (5, 4 * 2, 3)

    kernel, bias = (ops.convert_to_numpy(weight) for weight in stage.synapse.layers[0].weights)
    feedback = ops.convert_to_numpy(stage.recurrent.kernel)
    states, rates, expected, fired = neuron.cell.get_initial_state(5), np.zeros((5, 3)), [], []
    padded = np.concatenate([np.zeros((5, 1, 2), "float32"), x], axis=1)
    for n in range(4):
        current = padded[:, n] @ kernel[0] + padded[:, n + 1] @ kernel[1] + bias + rates @ feedback
        current = ops.convert_to_tensor(current.astype("float32"))
        steps = []
        for _ in range(2):
            membrane, silence = (ops.convert_to_numpy(state) for state in states)
            expected.append(0.8 * membrane + np.where(silence <= 0, ops.convert_to_numpy(current), 0))
            step, states = neuron.cell(current, states)
            steps.append(ops.convert_to_numpy(step))
        fired += steps
        rates = np.mean(steps, axis=0)
    np.testing.assert_allclose(traces["membranes"], np.stack(expected, axis=1), atol=1e-5)
    np.testing.assert_array_equal(traces["spikes"], np.stack(fired, axis=1))
    assert 0 < traces["spikes"].mean() < 1
    assert spikes(network, x)["recurrent"].shape == (5, 4, 2, 3)


def test_stages_that_share_their_neuron():
    neuron = SpikingLIF()
    first, second = (
        SpikingDense(5, neuron=neuron, normalization=None, timesteps=steps, name=name)
        for name, steps in (("first", 3), ("second", None))
    )
    network = keras.Sequential([keras.Input((4,)), first, second])
    x = 2 * np.random.default_rng(0).random((6, 4)).astype("float32")
    for name, expected in spikes(network, x).items():
        traces = membranes(network, name, x)
        assert traces["membranes"].shape == (6, 3, 5)
        np.testing.assert_array_equal(traces["spikes"], expected)
        np.testing.assert_array_equal(traces["membranes"] >= np.float32(0.6), expected)


def test_membranes_and_spikes_are_of_the_same_run():
    """A random encoder's spikes differ from run to run."""
    network = keras.Sequential(
        [keras.Input((4,)), keras_bsd.encoding.PoissonEncoder(8, seed=0), SpikingDense(6, name="stage")]
    )
    traces = membranes(network, "stage", np.full((3, 4), 0.5))
    assert traces["spikes"].any()
    np.testing.assert_array_equal(traces["spikes"], traces["membranes"] >= np.float32(0.6))


def test_a_fixed_batch_size():
    stage = SpikingDense(3, neuron=SpikingLIF(stateful=True), timesteps=2, name="stateful")
    network = keras.Sequential([keras.Input(batch_shape=(40, 4)), stage, Readout(keras.layers.Dense(2))])
    assert spikes(network, np.ones((40, 4)))["stateful"].shape == (40, 2, 3)


def test_a_network_without_stages_has_no_spikes():
    assert spikes(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), np.ones((2, 4))) == {}


def test_observers_can_be_nested():
    layer, seen = keras.layers.Dense(2), []

    def observer(name):
        def record(layer, arguments, outputs):
            seen.append(name)
            return outputs + 1

        return record

    x = np.ones((1, 2), "float32")
    plain = ops.convert_to_numpy(layer(x))
    with observe([layer], observer("outer")):
        with observe([layer, layer], observer("inner")):
            np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), plain + 2)
        np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), plain + 1)
    assert seen == ["outer", "inner", "outer"]
    assert "call" not in layer.__dict__
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x)), plain)


def series():
    stages = [SpikingDense(5, name="stage"), Readout(keras.layers.Dense(2))]
    return keras.Sequential([keras.Input((3, 4)), *stages])


@pytest.mark.parametrize(
    ("network", "x", "message"),
    [
        (lambda: None, None, "`network` must be a built Sequential or functional .* Received: network=None"),
        (lambda: "model", None, "Received: network='model'"),
        (series, None, "`x` must be an array with a batch axis. Received: x=None"),
        (series, "series", "with a batch axis. Received: x='series'"),
        (series, [[1], [1, 2]], "`x` must be an array of numbers. Received: .*inhomogeneous"),
        (series, np.zeros((0, 3, 4)), r"`x` must hold at least one stimulus. Received: shape=\(0, 3, 4\)"),
        (series, np.full((2, 3, 4), np.nan), "`x` must be finite"),
        (series, np.full((2, 3, 4), "a"), "`x` must be numbers. Received: dtype=<U1"),
        (
            series,
            np.zeros((3, 6, 4)),
            r"shape \(batch, 3, 4\). Received: shape=\(3, 6, 4\). The first axis is the",
        ),
        (
            series,
            np.zeros(5, [("x", "i4"), ("t", "i8")]),
            "`x` must be numbers. .* structured array of x, t. Count",
        ),
    ],
)
def test_networks_and_stimuli_that_are_none(network, x, message):
    for record in (lambda: spikes(network(), x), lambda: membranes(network(), "stage", x)):
        with pytest.raises(ValueError, match=message):
            record()


def test_a_pair_stands_for_its_encoder():
    model = keras_bsd.applications.SpikingMLP((4,), 3, timesteps=2, units=(5,))
    np.testing.assert_array_equal(
        spikes(model, np.eye(4))["dense_1"], spikes(model.encoder, np.eye(4))["dense_1"]
    )
    with pytest.raises(ValueError, match=r"Stimuli must lie in \[0, 1\]"):
        spikes(model, 255 * np.eye(4))
