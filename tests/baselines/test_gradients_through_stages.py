"""Rules that pass errors from stage to stage, against NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd import baselines
from keras_bsd.layers import Readout, SpikingLIF, SpikingStage
from tests.baselines import reference
from tests.gradients import weight_gradients


def close(updates, expected):
    for update, value in zip(updates, expected, strict=True):
        assert np.abs(value).max() > 1e-3
        np.testing.assert_allclose(update, value, rtol=1e-4, atol=1e-6)


def test_backpropagation_is_the_chain_rule_through_stages_and_time():
    encoder = reference.small_encoder()
    forward = reference.Forward(encoder)
    expected = reference.updates_through_stages(forward, forward.kernels[1:])
    close(reference.updates_of(baselines.Backprop(encoder)), expected)


def test_feedback_alignment_passes_errors_through_its_random_weights():
    encoder = reference.small_encoder()
    model, forward = baselines.FeedbackAlignment(encoder), reference.Forward(encoder)
    feedback = [ops.convert_to_numpy(layer.kernel).astype("float64") for layer in model.feedback]
    expected = reference.updates_through_stages(forward, feedback)
    close(reference.updates_of(model), expected)
    exact = reference.updates_through_stages(forward, forward.kernels[1:])
    assert np.abs(expected[0] - exact[0]).max() > 1e-3  # the readout's update is that of backpropagation
    np.testing.assert_array_equal(expected[2], exact[2])


@pytest.mark.parametrize("traces", [False, True])
def test_updates_at_each_time_step_need_no_later_ones(traces):
    encoder = reference.small_encoder()
    forward = reference.Forward(encoder)
    errors = (forward.probabilities_by_step - forward.onehot[:, None]) / (reference.BATCH * reference.STEPS)
    upper = forward.at_each_step(1, errors @ forward.kernels[2].T)
    lower = forward.at_each_step(0, upper @ forward.kernels[1].T)
    readout = np.einsum("bti,btj->ij", forward.spikes[1], errors)
    if traces:
        forward.before = [traces_of(signal) for signal in forward.before]
    expected = [forward.kernel_update(0, lower), forward.kernel_update(1, upper), readout]
    model = (baselines.OTTT if traces else baselines.SpatialBackprop)(encoder)
    close(reference.updates_of(model), expected)


def traces_of(signal):
    traces, trace = [], 0.0
    for t in range(signal.shape[1]):
        trace = reference.BETA * trace + signal[:, t]
        traces.append(trace)
    return np.stack(traces, axis=1)


def test_feedback_weights_do_not_learn():
    model = baselines.FeedbackAlignment(reference.small_encoder())
    model.compile(loss="sparse_categorical_crossentropy", run_eagerly=True)
    before = [ops.convert_to_numpy(layer.kernel) for layer in model.feedback]
    forward = [ops.convert_to_numpy(weight) for weight in model.encoder.trainable_weights]
    model.fit(*reference.small_batch(), verbose=0)
    for layer, kernel in zip(model.feedback, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(layer.kernel), kernel)
    for weight, value in zip(model.encoder.trainable_weights, forward, strict=True):
        assert not np.array_equal(ops.convert_to_numpy(weight), value)


def test_biases_have_traces_of_a_constant_input_in_every_stage():
    encoder = reference.small_encoder()
    forward = reference.Forward(encoder)
    errors = (forward.probabilities_by_step - forward.onehot[:, None]) / (reference.BATCH * reference.STEPS)
    upper = forward.at_each_step(1, errors @ forward.kernels[2].T)
    lower = forward.at_each_step(0, upper @ forward.kernels[1].T)
    constant = traces_of(np.ones((1, reference.STEPS, 1)))
    expected = [(constant * by_currents).sum(axis=(0, 1)) for by_currents in (lower, upper)]
    model = baselines.OTTT(encoder)
    model.compile(loss="sparse_categorical_crossentropy")
    x, y = map(ops.convert_to_tensor, reference.small_batch())
    biases = [stage.synapse.layers[0].bias for stage in model.encoder_stages]
    close(weight_gradients(lambda: model.compute_step(x, y).total, biases), expected)


def test_feedback_is_drawn_whatever_the_layers_initialiser():
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            SpikingStage(keras.layers.Dense(5), timesteps=2),
            SpikingStage(keras.layers.Dense(5, kernel_initializer=keras.initializers.GlorotUniform(seed=3))),
            Readout(keras.layers.Dense(3, kernel_initializer="zeros"), "softmax"),
        ]
    )
    model = baselines.FeedbackAlignment(encoder)
    for layer, feedback in zip(encoder.layers[1:], model.feedback, strict=True):
        kernel, drawn = (ops.convert_to_numpy(x.kernel) for x in (layer.synapse.layers[0], feedback))
        assert drawn.shape == kernel.shape
        assert np.abs(drawn - kernel).max() > 0.1
        assert drawn.std() > 0.1


def test_errors_that_pass_a_held_stage_have_no_trace_of_it():
    """With a leak of zero in the lower stage its update is that of each time step by itself."""
    updates = []
    for rule in (baselines.SpatialBackprop, baselines.OTTT):
        keras.utils.set_random_seed(0)
        encoder = keras.Sequential(
            [
                keras.Input((4,)),
                SpikingStage(keras.layers.Dense(5), neuron=SpikingLIF(beta=0.0), timesteps=3),
                keras.layers.GlobalAveragePooling1D(),
                SpikingStage(keras.layers.Dense(6), neuron=SpikingLIF(beta=0.9), timesteps=3),
                Readout(keras.layers.Dense(3), "softmax"),
            ]
        )
        model = rule(encoder)
        model.compile(loss="sparse_categorical_crossentropy")
        x, y = map(ops.convert_to_tensor, reference.small_batch())
        kernel = model.encoder_stages[0].synapse.layers[0].kernel
        updates += weight_gradients(lambda model=model, x=x, y=y: model.compute_step(x, y).total, [kernel])
    np.testing.assert_allclose(*updates, rtol=1e-4, atol=1e-6)
