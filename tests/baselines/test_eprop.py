import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd import _rules
from keras_bsd.baselines import DirectFeedbackAlignment, EProp
from keras_bsd.baselines._eprop import eprop_rule
from keras_bsd.layers import (
    Readout,
    SequenceReadout,
    SpikingALIFCell,
    SpikingDense,
    SpikingIFCell,
    SpikingLIF,
    SpikingRecurrent,
    SpikingStage,
)
from tests.baselines.eprop_reference import gradients as reference
from tests.gradients import weight_gradients, weight_gradients_of_each


def series(batch=3, elements=6, features=4, seed=0):
    return np.random.default_rng(seed).normal(size=(batch, elements, features)).astype("float32")


def numpy(values):
    return ops.convert_to_numpy(values)


def recurrent(targets="all", neuron=None, delays=2, normalization=None, timesteps=3):
    stage = SpikingRecurrent(
        5,
        delays=delays,
        timesteps=timesteps,
        targets=targets,
        normalization=normalization,
        neuron=SpikingLIF(**neuron or {}),
    )
    stage.build((None, None, 4))
    for weight in stage.synapse.weights[1:]:  # none of zero or one
        weight.assign(np.random.default_rng(7).normal(1, 0.3, weight.shape))
    return stage


def of_stage(stage, x, errors, rule=eprop_rule, mask=None):
    """Return the gradients of the sum of errors times rates, by variable."""

    def loss():
        with _rules.LocalLearning(rule) as scope:
            stage(x, mask=mask, training=True)
        return ops.sum(scope.representations[stage] * errors)

    return weight_gradients(loss, stage.trainable_variables)


NEURONS = {
    "hard reset": {},
    "soft reset": {"reset": "soft", "beta": 0.9},
    "no reset": {"reset": "none", "beta": 0.3},
    "no leak": {"beta": 1.0},
    "forgetful": {"beta": 0.0},
    "refractory": {"refractory_steps": 1},
}


@pytest.mark.parametrize("targets", ["all", "last"])
@pytest.mark.parametrize("neuron", NEURONS)
def test_an_update_is_that_of_an_eligibility_trace_for_every_synapse(neuron, targets):
    options = dict(NEURONS[neuron])
    stage, x = recurrent(targets, options), series()
    errors = np.random.default_rng(1).normal(size=(3, 6, 5)).astype("float32")
    if targets == "last":
        errors[:, :-1] = 0
    kernel, bias = map(numpy, stage.synapse.weights)
    options["leak"], options["refractory"] = options.pop("beta", 0.5), options.pop("refractory_steps", 0)
    rates, expected = reference(x, errors, kernel, numpy(stage.recurrent.kernel), 3, bias=bias, **options)
    np.testing.assert_allclose(numpy(ops.mean(ops.cast(stage(x), "float32"), axis=2)), rates, atol=1e-6)
    assert 0.1 < rates.mean() < 0.9
    rows = errors[:, -1] if targets == "last" else errors.reshape(-1, 5)
    for found, update in zip(of_stage(stage, x, rows), expected, strict=True):
        np.testing.assert_allclose(found, update, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("targets", ["all", "last"])
def test_an_update_behind_layer_normalisation_has_the_present_derivative(targets):
    stage, x = recurrent(targets, {"beta": 0.8}, normalization="layer"), series()
    errors = np.random.default_rng(1).normal(size=(3, 6, 5)).astype("float32")
    if targets == "last":
        errors[:, :-1] = 0
    kernel, gamma, beta = map(numpy, stage.synapse.weights)
    feedback = numpy(stage.recurrent.kernel)
    _, (to_kernel, _, to_feedback) = reference(x, errors, kernel, feedback, 3, 0.8, norm=(gamma, beta))
    rows = errors[:, -1] if targets == "last" else errors.reshape(-1, 5)
    found_kernel, _, _, found_feedback = of_stage(stage, x, rows)
    np.testing.assert_allclose(found_kernel, to_kernel, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found_feedback, to_feedback, rtol=1e-3, atol=1e-5)


def test_the_offset_of_a_normalisation_has_the_trace_of_a_constant():
    """The offset is added behind the normalisation, as a bias is to currents without one."""
    stage, x = recurrent(normalization="layer"), series()
    errors = np.random.default_rng(1).normal(size=(3, 6, 5)).astype("float32")
    kernel, gamma, beta = map(numpy, stage.synapse.weights)
    padded = np.concatenate([np.zeros_like(x[:, :1]), x], axis=1)
    membrane, before, trace, expected = 0.0, np.zeros((3, 5)), 0.0, np.zeros(5)
    for n in range(6):
        current = (
            padded[:, n] @ kernel[0] + padded[:, n + 1] @ kernel[1] + before @ numpy(stage.recurrent.kernel)
        )
        current = current - current.mean(axis=1, keepdims=True)
        current = gamma * current / np.sqrt((current**2).mean(axis=1, keepdims=True) + 1e-3) + beta
        before = 0.0
        for _ in range(3):
            membrane, trace = 0.5 * membrane + current, 0.5 * trace + 1
            expected += np.sum(errors[:, n] * trace / 3 / (1 + (np.pi * (membrane - 0.6)) ** 2), axis=0)
            before = before + (membrane >= 0.6) / 3
            membrane = membrane * (membrane < 0.6)
    np.testing.assert_allclose(of_stage(stage, x, errors.reshape(-1, 5))[2], expected, rtol=1e-4)


def test_a_learned_threshold_has_the_slopes_of_the_spikes():
    stage, x = recurrent(neuron={"trainable_threshold": True}), series(1, 1)
    raw = x[0, 0] @ numpy(stage.synapse.weights[0])[1] + numpy(stage.synapse.weights[1])
    membrane, expected = np.zeros(5), 0.0
    for _ in range(3):
        membrane = 0.5 * membrane + raw
        expected -= np.sum(1 / (1 + (np.pi * (membrane - 0.6)) ** 2)) / 3
        membrane = membrane * (membrane < 0.6)
    names = [variable.path.rsplit("/", 1)[-1] for variable in stage.trainable_variables]
    found = of_stage(stage, x, np.ones((1, 5), "float32"))[names.index("threshold")]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_one_element_without_a_reset_has_the_update_of_the_rate_rule():
    stage, x = recurrent(neuron={"reset": "none"}), series(elements=1)
    errors = np.random.default_rng(1).normal(size=(3, 5)).astype("float32")
    both = [of_stage(stage, x, errors, rule) for rule in (eprop_rule, _rules.rate_rule)]
    for found, expected in zip(*both, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("targets", ["all", "last"])
def test_skipped_elements_are_in_no_trace(targets):
    stage, x = recurrent(targets, {"beta": 0.8}), series(2, 6)
    mask = np.array([[1, 0, 1, 1, 0, 1], [1, 1, 1, 0, 0, 0]], bool)
    errors = np.random.default_rng(1).normal(size=(2, 6, 5)).astype("float32") * mask[..., None]
    if targets == "last":
        errors = np.stack([errors[0, 5], errors[1, 2]])
    expected = 0.0
    for i in range(2):
        alone = errors[i : i + 1] if targets == "last" else errors[i, mask[i]]
        expected += np.array(of_stage(stage, x[i : i + 1, mask[i]], alone), dtype=object)
    rows = errors if targets == "last" else errors.reshape(-1, 5)
    for found, update in zip(of_stage(stage, x, rows, mask=mask), expected, strict=True):
        np.testing.assert_allclose(found, update, rtol=1e-4, atol=1e-5)


def of_steps(x, errors, kernel, bias, leak, present=None):
    """Return the updates of a stage that is not recurrent, of a time step at a time; NumPy."""
    batch, steps, features = x.shape
    present = np.ones((batch, steps)) if present is None else present
    membrane, trace, constant = np.zeros((batch, len(bias))), np.zeros((batch, features)), np.zeros((batch, 1))
    updates = [np.zeros_like(kernel), np.zeros_like(bias)]
    for t in range(steps):
        here = present[:, t : t + 1]
        decay = np.where(here, leak, 1.0)
        membrane = decay * membrane + here * (x[:, t] @ kernel + bias)
        trace, constant = decay * trace + here * x[:, t], decay * constant + here
        error = errors * here / (1 + (np.pi * (membrane - 0.6)) ** 2) / present.sum(axis=1, keepdims=True)
        updates[0] += trace.T @ error
        updates[1] += np.sum(constant * error, axis=0)
        membrane = np.where(here * (membrane >= 0.6), 0.0, membrane)
    return updates


@pytest.mark.parametrize("cell", [SpikingIFCell(), keras_bsd.layers.SpikingLIFCell(beta=0.8)])
@pytest.mark.parametrize("held", [False, True])
def test_an_update_over_time_is_that_of_traces(held, cell):
    cell = cell.__class__.from_config(cell.get_config())
    stage = SpikingStage(keras.layers.Dense(5), cell, timesteps=6 if held else None)
    x = series()
    x = np.repeat(x[:, :1], 6, axis=1) if held else x
    stage(x[:, 0] if held else x)
    stage.synapse.weights[1].assign(np.linspace(0.1, 0.5, 5))
    errors = np.random.default_rng(1).normal(size=(3, 5)).astype("float32")
    expected = of_steps(x, errors, *map(numpy, stage.synapse.weights), getattr(cell, "leak", 1.0))
    for found, update in zip(of_stage(stage, x[:, 0] if held else x, errors), expected, strict=True):
        np.testing.assert_allclose(found, update, rtol=1e-4, atol=1e-5)


def test_masked_time_steps_are_in_no_trace():
    stage, x = SpikingStage(keras.layers.Dense(5), SpikingLIF(beta=0.8)), series()
    stage(x)
    mask = np.array([[1, 1, 1, 1, 1, 1], [0, 1, 0, 1, 1, 0], [1, 1, 0, 0, 0, 0]], "float32")
    errors = np.random.default_rng(1).normal(size=(3, 5)).astype("float32")
    expected = of_steps(x, errors, *map(numpy, stage.synapse.weights), 0.8, mask)
    for found, update in zip(of_stage(stage, x, errors, mask=mask.astype(bool)), expected, strict=True):
        np.testing.assert_allclose(found, update, rtol=1e-4, atol=1e-5)


def test_maps_over_time_have_the_trace_of_each_pixel():
    """A convolution with a kernel of one pixel is a dense layer at each."""
    stage = SpikingStage(keras.layers.Conv2D(5, 1), SpikingLIF(beta=0.8))
    x = series(3 * 2, 6)
    maps = x.reshape(3, 2, 6, 4).transpose(0, 2, 1, 3)[:, :, :, None]  # two pixels
    stage(maps)
    errors = np.random.default_rng(1).normal(size=(6, 5)).astype("float32")
    kernel, bias = map(numpy, stage.synapse.weights)
    expected = of_steps(x, errors, kernel[0, 0], bias, 0.8)
    found = of_stage(stage, maps, errors.reshape(3, 2, 1, 5))
    np.testing.assert_allclose(found[0][0, 0], expected[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-5)


def test_statistics_of_batches_change_once():
    """A moving mean of momentum 0.9 is a tenth of the currents' mean after one step."""
    stage, x = SpikingStage(keras.layers.Dense(5), normalization="batch"), series()
    stage(x)
    with _rules.LocalLearning(eprop_rule):
        stage(x, training=True)
    currents = x @ numpy(stage.synapse.layers[0].kernel)
    moving = numpy(stage.synapse.layers[1].moving_mean)
    np.testing.assert_allclose(moving, 0.1 * currents.mean(axis=(0, 1)), rtol=1e-4, atol=1e-6)


def classifier(units=(6, 5), **options):
    return keras_bsd.applications.SpikingRNN((7, 4), 3, units=units, delays=2, **options).encoder


def test_each_stage_has_the_feedback_of_the_error():
    """The loss of a stage is the sum of rates times feedback, as with direct feedback alignment."""
    encoder, x, y = classifier(), series(elements=7), np.array([0, 2, 1])
    model, scores = EProp(encoder), numpy(encoder(x))
    rates = [spikes.mean(axis=2) for spikes in model.spikes(x).values()]
    model.compile()
    step = model.compute_step(ops.convert_to_tensor(x), ops.convert_to_tensor(y))
    for loss, values, layer in zip(step.stage_losses, rates, model.feedback, strict=True):
        signal = (scores - np.eye(3)[y]) @ numpy(layer.kernel)
        np.testing.assert_allclose(float(loss), np.mean(np.einsum("bnu,bu->bn", values, signal)), rtol=1e-4)


def test_gradients_stay_within_a_stage():
    model = EProp(classifier())
    model.compile()
    x, y = ops.convert_to_tensor(series(elements=7)), ops.convert_to_tensor(np.array([0, 2, 1]))
    weights = model.trainable_variables
    _, rows = weight_gradients_of_each(lambda: model.compute_step(x, y).losses, weights)
    for (_, stages), row in zip(model.owners(), rows, strict=True):
        own = {weight.path for stage in stages for weight in stage.trainable_variables}
        reached = {w.path for w, gradient in zip(weights, row, strict=True) if np.any(gradient)}
        assert reached == own


def test_saves_and_loads(tmp_path):
    model = EProp(classifier(), stimulus_range=(-9.0, 9.0))
    model.compile()
    x = series(elements=7)
    model.fit(x, np.array([0, 2, 1]), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is EProp
    assert "rule" not in loaded.get_config()
    for layer, expected in zip(loaded.feedback, model.feedback, strict=True):
        np.testing.assert_array_equal(numpy(layer.kernel), numpy(expected.kernel))
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_trains_stages_that_are_not_recurrent():
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            SpikingDense(8, timesteps=4),
            SpikingDense(6),
            Readout(keras.layers.Dense(3), "softmax"),
        ]
    )
    model = EProp(encoder)
    model.compile(keras.optimizers.Adam(1e-2))
    before = [numpy(stage.synapse.weights[0]) for stage in model.encoder_stages]
    history = model.fit(series()[:, 0], np.array([0, 2, 1]), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for stage, old in zip(model.encoder_stages, before, strict=True):
        assert not np.allclose(numpy(stage.synapse.weights[0]), old)


@pytest.mark.parametrize("rule", [EProp, DirectFeedbackAlignment])
def test_learns_from_an_input_that_lies_beyond_delays(rule):
    """The class is the sign of a feature that is zero after the first element, and whose weights start at zero.

    By the rate rule, whose product has the inputs of the last element alone, these weights remain at zero.
    """
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(320, 6, 3)).astype("float32"), generator.integers(0, 2, 320)
    x[:, :, 0] = np.where(y, 3.0, -3.0)[:, None] * (np.arange(6) == 0)
    neuron = SpikingLIF(beta=0.95, reset="soft")
    stage = SpikingRecurrent(
        16, timesteps=2, targets="last", feedback_gain=0.0, normalization=None, neuron=neuron
    )
    sequence = keras.Input((6, 3))
    scores = SequenceReadout(keras.layers.Dense(2), "softmax", targets="last")(stage(sequence))
    kernel = stage.synapse.weights[0]
    kernel.assign(numpy(kernel) * [[[0.0], [1.0], [1.0]]])
    model = rule(keras.Model(sequence, scores))
    model.compile(keras.optimizers.Adam(2e-2), metrics=["accuracy"])
    model.fit(x[:256], y[:256], batch_size=32, epochs=8, verbose=0)
    accuracy = model.evaluate(x[256:], y[256:], verbose=0)[1]
    learned = np.abs(numpy(kernel)[0, 0]).max()
    assert (accuracy > 0.9, learned > 0.1) == (rule is EProp, rule is EProp)
    assert accuracy > 0.9 or learned == 0


@pytest.mark.parametrize("cell", [lambda: SpikingALIFCell(), lambda: SpikingLIF(trainable_leak=True)])
def test_needs_one_constant_leak(cell):
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            SpikingDense(8, timesteps=4, neuron=cell(), name="adaptive"),
            Readout(keras.layers.Dense(3), "softmax"),
        ]
    )
    with pytest.raises(ValueError, match="of stage 'adaptive' have no single constant leak for a trace"):
        EProp(encoder)
