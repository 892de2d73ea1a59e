"""Rules by which each stage has a loss of its own, against NumPy."""

import numpy as np
import pytest
from keras import ops

from keras_bsd import baselines
from tests.baselines import reference


def check_updates(model, by_rates):
    """Compare the updates of both stages with those from the gradients of the sum of losses by their rates."""
    forward = reference.Forward(model.encoder)
    expected = reference.updates_by_rates(forward, [g / reference.BATCH for g in by_rates(forward)])
    for update, value in zip(reference.updates_of(model), expected, strict=False):
        assert np.abs(value).max() > 1e-3
        np.testing.assert_allclose(update, value, rtol=1e-4, atol=1e-6)


def test_direct_feedback_alignment_sends_the_readouts_error_to_each_stage():
    model = baselines.DirectFeedbackAlignment(reference.small_encoder(), rule="surrogate")
    feedback = [ops.convert_to_numpy(layer.kernel).astype("float64") for layer in model.feedback]
    check_updates(model, lambda f: [(f.probabilities - f.onehot) @ kernel for kernel in feedback])


@pytest.mark.parametrize("rule", [baselines.LocalReadouts, baselines.DECOLLE, baselines.ClassCodes])
def test_local_readouts_send_the_error_of_the_stages_own_prediction(rule):
    model = rule(reference.small_encoder(), rule="surrogate")
    kernels = [ops.convert_to_numpy(readout.kernel).astype("float64") for readout in model.stage_readouts]
    check_updates(
        model,
        lambda f: [
            (reference.softmax(rates @ kernel) - f.onehot) @ kernel.T
            for rates, kernel in zip(f.rates, kernels, strict=True)
        ],
    )


@pytest.mark.parametrize("rule", [baselines.DirectFeedbackAlignment, baselines.DECOLLE])
def test_for_constant_currents_the_rate_rule_is_the_surrogate_rule(rule):
    encoder = reference.small_encoder()
    exact = rule(encoder, rule="surrogate")
    by_rates = rule(encoder, rule="rate")
    for name in ("feedback", "stage_readouts"):
        for source, target in zip(getattr(exact, name), getattr(by_rates, name), strict=True):
            target.set_weights(source.get_weights())
    lower, _, readout = reference.updates_of(by_rates)
    expected, _, of_readout = reference.updates_of(exact)
    np.testing.assert_allclose(lower, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(readout, of_readout, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("rule", "learns"),
    [(baselines.LocalReadouts, True), (baselines.DECOLLE, False), (baselines.ClassCodes, False)],
)
def test_readouts_learn_only_where_the_rule_has_it(rule, learns):
    model = rule(reference.small_encoder())
    model.compile(loss="sparse_categorical_crossentropy", run_eagerly=True)
    before = [readout.get_weights() for readout in model.stage_readouts]
    model.fit(*reference.small_batch(), verbose=0)
    for readout, (kernel, bias) in zip(model.stage_readouts, before, strict=True):
        assert np.array_equal(readout.get_weights()[0], kernel) == (not learns)
        assert np.array_equal(readout.get_weights()[1], bias) == (not learns)


def test_class_codes_are_square_waves_from_one_period_to_a_quarter_of_the_neurons():
    codes = baselines.ClassCodes(reference.small_encoder()).stage_readouts
    waves = np.sign(ops.convert_to_numpy(baselines._class_codes.SquareWaves(0.5)((8, 2))))
    np.testing.assert_array_equal(waves.T, [[1, 1, 1, 1, -1, -1, -1, -1], [1, 1, -1, -1, 1, 1, -1, -1]])
    assert [tuple(code.kernel.shape) for code in codes] == [(6, 3), (7, 3)]


def test_maps_get_direct_feedback_by_cells():
    """A map of eight by eight has four by four cells, each the mean of four places."""
    import keras_bsd

    encoder = keras_bsd.applications.SpikingConvNet(
        (8, 8, 1), 3, filters=(2, 3), pool_sizes=(1, 2), timesteps=2
    ).encoder
    model = baselines.DirectFeedbackAlignment(encoder)
    assert [tuple(layer.kernel.shape) for layer in model.feedback] == [(3, 4 * 4 * 2), (3, 4 * 4 * 3)]
    model.compile(loss="sparse_categorical_crossentropy", run_eagerly=True)
    x = np.random.default_rng(0).random((6, 8, 8, 1)).astype("float32")
    assert np.isfinite(model.fit(x, np.arange(6) % 3, verbose=0).history["loss"]).all()
