"""Rules that pass errors from stage to stage, against NumPy."""

import numpy as np
import pytest
from keras import ops

from keras_bsd import baselines
from tests.baselines import reference


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
