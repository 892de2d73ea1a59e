"""Time steps one by one, by `step` and in a `StateScope`, equal the whole network."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd import StateScope
from keras_bsd._observe import run_with_spikes
from keras_bsd.layers import (
    Readout,
    SequenceReadout,
    SpikingConv2D,
    SpikingDense,
    SpikingLIF,
    SpikingRecurrent,
    SpikingStage,
    Stage,
)

STEPS = 5
NEURONS = {
    "hard reset": {},
    "soft reset": {"reset": "soft", "tau": 2.0},
    "refractory": {"beta": 0.9, "refractory_steps": 2},
    "learned": {"trainable_leak": True, "trainable_threshold": True},
}
SYNAPSES = {
    "dense": ((6,), lambda **kwargs: SpikingDense(9, **kwargs)),
    "conv": ((6, 5, 2), lambda **kwargs: SpikingConv2D(4, pool_size=2, **kwargs)),
    "own layers": (
        (6,),
        lambda **kwargs: SpikingStage([keras.layers.Dense(9), keras.layers.Dropout(0.5)], **kwargs),
    ),
}


def numpy(tensors):
    return keras.tree.map_structure(ops.convert_to_numpy, tensors)


def network(synapse, neuron, held):
    """Return two stages and a readout for a held stimulus or a series, and three inputs."""
    features, stage = SYNAPSES[synapse]
    layers = [
        stage(neuron=SpikingLIF(**NEURONS[neuron]), timesteps=STEPS if held else None),
        SpikingDense(8, normalization="layer", neuron=SpikingLIF(**NEURONS[neuron])),
        Readout(keras.layers.Dense(3), "softmax"),
    ]
    shape = features if held else (STEPS, *features)
    x = np.random.default_rng(0).uniform(0, 2, (3, *shape)).astype("float32")
    return keras.Sequential([keras.Input(shape), *layers]), ops.convert_to_tensor(x)


def run_steps(model, x, held, steps):
    """Return the outputs of every single step, and the spikes of all steps by stage."""
    states, outputs, spikes = {}, [], []
    for t in range(steps):
        with StateScope(states, single_step=True) as scope:
            scores, by_stage = run_with_spikes(model, x if held else x[:, t : t + 1])
        states = scope.states
        outputs.append(numpy(scores))
        spikes.append(numpy(by_stage))
    return outputs, {name: np.concatenate([step[name] for step in spikes], axis=1) for name in spikes[0]}


@pytest.mark.parametrize("held", [True, False], ids=["held stimulus", "series"])
@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("synapse", SYNAPSES)
def test_single_steps_equal_the_whole_network(synapse, neuron, held):
    model, x = network(synapse, neuron, held)
    expected_outputs, expected_spikes = numpy(run_with_spikes(model, x))
    outputs, spikes = run_steps(model, x, held, STEPS)
    for name, expected in expected_spikes.items():
        assert 0 < expected.mean() < 1
        np.testing.assert_array_equal(spikes[name], expected)
    np.testing.assert_allclose(outputs[-1], expected_outputs, rtol=1e-5)


def test_a_readout_returns_the_output_of_the_rates_so_far():
    layers = [SpikingDense(9), SpikingDense(8), Readout(keras.layers.Dense(3))]
    model = keras.Sequential([keras.Input((None, 6)), *layers])
    x = np.random.default_rng(0).uniform(0, 2, (3, STEPS, 6)).astype("float32")
    outputs, _ = run_steps(model, ops.convert_to_tensor(x), False, STEPS)
    for t in range(STEPS):
        np.testing.assert_allclose(outputs[t], numpy(model(x[:, : t + 1])), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("held", [True, False], ids=["held stimulus", "series"])
def test_step_of_a_stage_without_a_scope(neuron, held):
    stage = SpikingDense(9, neuron=SpikingLIF(**NEURONS[neuron]), timesteps=STEPS if held else None)
    x = np.random.default_rng(0).uniform(0, 2, (3, 6) if held else (3, STEPS, 6)).astype("float32")
    expected = numpy(stage(x))
    states, spikes = stage.get_initial_state(3), []
    assert len(states) == len(stage.state_names)
    for t in range(STEPS):
        output, states = stage.step(ops.convert_to_tensor(x if held else x[:, t]), states)
        spikes.append(numpy(output))
    np.testing.assert_array_equal(np.stack(spikes, axis=1), expected)


@pytest.mark.parametrize("neuron", ["hard reset", "soft reset", "refractory"])
@pytest.mark.parametrize("held", [True, False], ids=["stimuli", "spikes"])
def test_step_of_a_recurrent_stage_is_an_element(neuron, held):
    stage = SpikingRecurrent(8, delays=3, timesteps=4 if held else None, neuron=SpikingLIF(**NEURONS[neuron]))
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, 6, 5)) if held else generator.random((2, 6, 3, 5)) < 0.4
    x = x.astype("float32")
    expected = numpy(stage(x))
    states, spikes = stage.get_initial_state(2), []
    assert len(states) == len(stage.state_names)
    for n in range(6):
        output, states = stage.step(ops.convert_to_tensor(x[:, n]), states)
        spikes.append(numpy(output))
    np.testing.assert_array_equal(np.stack(spikes, axis=1), expected)


def test_recurrent_stages_process_whole_elements_in_any_scope():
    stage, x = (
        SpikingRecurrent(8, timesteps=4),
        np.random.default_rng(0).normal(size=(2, 6, 5)).astype("float32"),
    )
    expected, states, spikes = numpy(stage(x)), None, []
    for n in range(6):
        with StateScope(states, single_step=True) as scope:
            spikes.append(numpy(stage(x[:, n : n + 1])))
        states = scope.states
    np.testing.assert_array_equal(np.concatenate(spikes, axis=1), expected)


def test_a_readout_of_elements_has_no_single_step():
    readout, spikes = SequenceReadout(keras.layers.Dense(2), name="out"), np.zeros((2, 3, 4, 5), "float32")
    readout(spikes)
    with (
        pytest.raises(ValueError, match="SequenceReadout 'out' cannot process a single time step"),
        StateScope(single_step=True),
    ):
        readout(spikes)
    assert numpy(readout(spikes)).shape == (2, 3, 2)  # the scope is closed


class PeakReadout(Stage):
    """The highest score of any time step: a stage with dynamics of its own."""

    state_names = ("peak",)

    def build(self, input_shape):
        self.synapse.build((None, *input_shape[2:]))
        super().build(input_shape)

    def call_local(self, inputs, training):
        steps = [self.synapse(inputs[:, t], training=training) for t in range(inputs.shape[1])]
        return ops.max(ops.stack(steps), axis=0)

    def get_initial_state(self, batch_size):
        return [ops.full((batch_size, *self.synapse.output_shape[1:]), -np.inf)]

    def step(self, inputs, states, training=False):
        peak = ops.maximum(states[0], self.synapse(inputs, training=training))
        return peak, [peak]


def test_a_stage_with_dynamics_of_its_own():
    layers = [SpikingDense(9, timesteps=STEPS), PeakReadout(keras.layers.Dense(3))]
    model = keras.Sequential([keras.Input((6,)), *layers])
    x = ops.convert_to_tensor(np.random.default_rng(0).uniform(0, 2, (3, 6)).astype("float32"))
    outputs, _ = run_steps(model, x, True, STEPS)
    np.testing.assert_allclose(outputs[-1], numpy(model(x)), rtol=1e-5)
    copy = PeakReadout.from_config(layers[1].get_config())
    assert copy.synapse.layers[0].units == 3


def test_a_stage_has_no_state_by_default():
    stage = Stage(keras.layers.Dense(2))
    assert stage.state_names == ()
    assert stage.get_initial_state(3) == []
    for incomplete in (lambda: stage.call_local(None, False), lambda: stage.step(None, [])):
        with pytest.raises(NotImplementedError):
            incomplete()


def test_only_stages_of_sequences_take_elements():
    readout = keras.layers.Dense(2)
    stages = [SpikingDense(4), Readout(readout), SpikingRecurrent(4), SequenceReadout(readout)]
    assert [stage.takes_elements for stage in stages] == [False, False, True, True]


def test_scopes_are_nested():
    stage, x = SpikingRecurrent(4, timesteps=2), np.ones((2, 3, 5), "float32")
    with StateScope() as outer:
        with StateScope() as inner:
            stage(x)
        assert set(inner.states) == {stage.path}
        assert not outer.states
        stage(x)
    assert set(outer.states) == set(outer.initial_states) == {stage.path}
    assert not any(numpy(state).any() for state in outer.initial_states[stage.path])
