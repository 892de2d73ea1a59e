"""The stage that receives a concept beside spikes."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd import StateScope, _rules
from keras_bsd.layers import GuidedStage, SpikingLIF
from tests.gradients import weight_gradients


def binary(shape):
    return (np.random.default_rng(0).random(shape) < 0.4).astype("float32")


def to_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def make(**arguments):
    arguments = {"synapse": keras.layers.Dense(6), "guide": keras.layers.Dense(6, use_bias=False)} | arguments
    return GuidedStage(**arguments)


def test_the_current_of_the_vector_is_added_at_every_time_step():
    stage, spikes, vectors = make(), binary((3, 5, 4)), np.eye(3, dtype="float32")
    outputs = to_numpy(stage([spikes, vectors]))
    kernel, bias, guide = stage.get_weights()
    currents = spikes @ kernel + bias + (vectors @ guide)[:, None]
    np.testing.assert_array_equal(outputs, to_numpy(stage.neuron(currents)))
    assert outputs.any()


def test_the_guide_is_added_before_what_is_not_affine():
    layers = [keras.layers.Dense(6), keras.layers.Dense(2, activation="relu")]
    stage, spikes, vectors = make(synapse=layers), binary((3, 5, 4)), np.eye(3, dtype="float32")
    stage.build([spikes.shape, vectors.shape])
    joined = layers[0](spikes) + stage.guide(vectors)[:, None]
    currents = stage.currents([spikes, vectors], training=False)
    np.testing.assert_allclose(to_numpy(currents), to_numpy(layers[1](joined)), rtol=1e-5)


@pytest.mark.parametrize("normalization", [None, "batch"])
def test_mean_current_and_its_gradient(normalization):
    stage, spikes, vectors = make(normalization=normalization), binary((8, 5, 4)), np.eye(8, dtype="float32")
    stage.build([spikes.shape, vectors.shape])

    def by_rule():
        with _rules.LocalLearning(_rules.current_rule) as scope:
            stage([spikes, vectors], training=True)
        return ops.sum(ops.square(scope.representations[stage] - 0.3))

    def directly():
        affine = stage.synapse.layers[0](spikes.mean(axis=1)) + stage.guide(vectors)
        normalized = stage.synapse.layers[1](affine, training=True) if normalization else affine
        return ops.sum(ops.square(normalized - 0.3))

    weights = stage.trainable_variables
    pairs = zip(weight_gradients(by_rule, weights), weight_gradients(directly, weights), strict=True)
    for one, other in pairs:
        assert np.any(other) or normalization
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_single_steps_are_those_of_the_whole():
    stage, spikes, vectors = make(neuron=SpikingLIF(tau=3.0)), binary((2, 4, 5)), np.eye(2, dtype="float32")
    whole, states, steps = to_numpy(stage([spikes, vectors])), None, []
    for t in range(4):
        with StateScope(states, single_step=True) as scope:
            steps.append(to_numpy(stage([spikes[:, [t]], vectors])))
        states = scope.states
    np.testing.assert_array_equal(np.concatenate(steps, axis=1), whole)


def test_saves_and_loads(tmp_path):
    inputs = [keras.Input((4, 5)), keras.Input((3,))]
    guide = [keras.layers.Dense(6), keras.layers.Reshape((2, 3))]
    stage = make(
        synapse=[keras.layers.Dense(6), keras.layers.Reshape((2, 3))], guide=guide, normalization="batch"
    )
    model = keras.Model(inputs, stage(inputs))
    x = [binary((2, 4, 5)), np.eye(2, 3, dtype="float32")]
    model.save(tmp_path / "stage.keras")
    loaded = keras.saving.load_model(tmp_path / "stage.keras")
    np.testing.assert_array_equal(to_numpy(loaded(x)), to_numpy(model(x)))
    assert loaded.output_shape == (None, 4, 2, 3)


def test_frozen_stages_have_no_trainable_weights():
    stage = make(trainable=False)
    stage.build([(2, 4, 5), (2, 3)])
    assert not stage.trainable_weights


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: make(guide=[3]), "`guide` must be a Keras layer or a list of them. Received: 3"),
        (lambda: make(synapse=keras.layers.ReLU()), "`synapse` must begin with an affine layer"),
        (lambda: make().build((2, 4, 5)), r"expects a list of spikes \(batch, time, ...\) and vectors"),
        (
            lambda: make(guide=keras.layers.Dense(5)).build([(2, 4, 5), (2, 3)]),
            r"must output currents of shape \(6,\), as the affine layers of its synapse do. Received: \(5,\)",
        ),
        (lambda: make().build([(2, 5), (2, 3)]), r"expects .*\(batch, time, "),
    ],
)
def test_errors(build, message):
    with pytest.raises(ValueError, match=message):
        build()
