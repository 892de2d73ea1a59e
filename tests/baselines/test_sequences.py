"""Rules that cover recurrent encoders, on sequences with one class, a class of each element, or values."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd import baselines
from keras_bsd.applications import SpikingCharRNN, SpikingForecaster, SpikingRNN
from keras_bsd.layers import CausalStandardization, Destandardize, SequenceReadout, SpikingRecurrent
from keras_bsd.layers._stage import flatten_stages

RULES = ["backprop", "dfa", "decolle", "local_readouts", "lls", "eprop"]
NOT_RECURRENT = ["spatial", "ottt", "fa"]


def generator(seed=0):
    return np.random.default_rng(seed)


def characters(count=8):
    text = generator().integers(0, 3, (count, 6)).astype("int32")
    return text[:, :-1], text[:, 1:]


def windows(count=8):
    values = 5 + 3 * generator().normal(size=(count, 8, 2)).astype("float32")
    return values[:, :6], values[:, 6:]


def recordings(count=8):
    return generator().normal(size=(count, 6, 4)).astype("float32"), np.arange(count) % 3


def encoder_of(kind):
    sizes = {"units": (9, 8), "delays": 2, "timesteps": 3}
    pair = {
        "characters": lambda: SpikingCharRNN("abc", **sizes),
        "windows": lambda: SpikingForecaster(6, 2, 2, **sizes),
        "windows as they are": lambda: SpikingForecaster(6, 2, 2, normalization=None, **sizes),
        "recordings": lambda: SpikingRNN((None, 4), 3, **sizes),
    }
    return pair[kind]().encoder


SAMPLES = {
    "characters": characters,
    "windows": windows,
    "windows as they are": windows,
    "recordings": recordings,
}
CASES = [
    (kind, rule)
    for kind in ("characters", "windows", "recordings")
    for rule in RULES
    if (kind, rule) != ("windows", "lls")
]


def model_of(kind, rule, **options):
    encoder = encoder_of(kind) if isinstance(kind, str) else kind
    task = "regression" if len(encoder.output_shape) == 3 and encoder.output_shape[1] == 2 else "classification"
    return baselines.get(rule)(encoder, task=task, **options)


def numpy(values):
    return [ops.convert_to_numpy(value) for value in values]


def stage_weights(model):
    return {
        weight.path: value for weight, value in zip(_of_stages(model), numpy(_of_stages(model)), strict=True)
    }


def _of_stages(model):
    return [weight for stage in model.encoder_stages for weight in stage.trainable_variables]


@pytest.mark.parametrize(("kind", "rule"), [*CASES, ("windows as they are", "dfa")])
def test_trains_evaluates_saves_and_loads(kind, rule, tmp_path):
    model, (x, y) = model_of(kind, rule), SAMPLES[kind]()
    metrics = ["mae"] if model.task == "regression" else ["accuracy"]
    model.compile(keras.optimizers.Adam(1e-2), metrics=metrics, run_eagerly=True)
    before = stage_weights(model)
    history = model.fit(x, y, batch_size=4, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert 0 < history["recurrent_1_firing_rate"][0] < 1
    assert all(np.abs(value - before[path]).max() > 0 for path, value in stage_weights(model).items())
    weights = np.ones(y.shape[:2] if kind == "characters" else 8, "float32")
    weights[1:] = 0
    found = model.evaluate(x, y, sample_weight=weights, verbose=0, return_dict=True)
    alone = model.evaluate(x[:1], y[:1], batch_size=1, verbose=0, return_dict=True)
    assert found["loss"] * 8 == pytest.approx(alone["loss"], rel=1e-4)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    np.testing.assert_allclose(
        loaded.train_on_batch(x, y, return_dict=True)["loss"],
        model.train_on_batch(x, y, return_dict=True)["loss"],
        rtol=1e-5,
    )
    for one, other in zip(numpy(loaded.trainable_variables), numpy(model.trainable_variables), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def stepped(model, x, y, sample_weight=None):
    """Return the weights after a step of gradient descent, and the logs."""
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    before = model.get_weights()
    logs = model.train_on_batch(x, y, sample_weight=sample_weight, return_dict=True)
    after = model.get_weights()
    model.set_weights(before)
    return after, logs


@pytest.mark.parametrize(("kind", "rule"), CASES)
def test_samples_of_weight_zero_change_nothing(kind, rule):
    """Losses are means over all samples, so that beside four of no weight four others have 2."""
    model, (x, y) = model_of(kind, rule), SAMPLES[kind]()
    shape = y.shape[:2] if kind == "characters" else (8,)
    weights = np.full(shape, 2, "float32")
    weights[4:] = 0
    expected, _ = stepped(model, x[:4], y[:4])
    found, _ = stepped(model, x, y, weights)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", ["auto", True])
@pytest.mark.parametrize(("kind", "rule"), CASES)
def test_a_compiled_step_equals_that_of_single_operations(kind, rule, jit_compile):
    if jit_compile is True and (rule == "backprop" or keras.backend.backend() == "torch"):
        pytest.skip("XLA cannot compile the gradient of a loop over time, nor PyTorch's compiler all of Keras")
    model, (x, y) = model_of(kind, rule), SAMPLES[kind]()
    expected, _ = stepped(model, x, y)
    model.compile(keras.optimizers.SGD(0.1), jit_compile=jit_compile)
    model.train_on_batch(x, y)
    for one, other in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def masked(readout, targets, classes=3):
    """Return an encoder that masks elements of -1."""
    inputs = keras.Input((None, 4))
    stage = SpikingRecurrent(6, delays=2, timesteps=2, targets=targets, name="recurrent")
    spikes = stage(keras.layers.Masking(-1.0)(inputs))
    scores = SequenceReadout(keras.layers.Dense(classes), "softmax", targets=readout)(spikes)
    return keras.Model(inputs, scores)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("readout", "targets"), [("all", "all"), ("mean", "all"), ("last", "last")])
def test_masked_elements_change_nothing(readout, targets, rule):
    model, (x, y) = model_of(masked(readout, targets), rule), recordings()
    y = generator(1).integers(0, 3, (8, 6)) if readout == "all" else y
    padded = np.insert(x, [2, 6, 6], -1, axis=1)
    padded_y = np.insert(y, [2, 6, 6], 0, axis=1) if readout == "all" else y
    expected, logs = stepped(model, x, y)
    found, padded_logs = stepped(model, padded, padded_y)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert padded_logs == pytest.approx(logs, rel=1e-4)


@pytest.mark.parametrize("rule", RULES)
def test_one_hot_targets_and_probabilities_of_one_output(rule):
    model, (x, y) = model_of("characters", rule), characters()
    sparse, _ = stepped(model, x, y)
    model.compile(keras.optimizers.SGD(0.1), loss="categorical_crossentropy", run_eagerly=True)
    model.train_on_batch(x, np.eye(3, dtype="float32")[y])
    for one, other in zip(model.get_weights(), sparse, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_error_of_each_element_is_that_of_its_own_class():
    model, (x, y) = model_of("characters", "dfa"), characters(2)
    model.compile()
    rates = next(iter(model.spikes(x).values())).mean(axis=2).reshape(10, 9)
    errors = (model.predict(x, verbose=0) - np.eye(3)[y]).reshape(10, 3)
    signal = errors @ ops.convert_to_numpy(model.feedback[0].kernel)
    loss = model.compute_step(ops.convert_to_tensor(x), ops.convert_to_tensor(y)).stage_losses[0]
    np.testing.assert_allclose(ops.convert_to_numpy(loss), np.mean(np.sum(rates * signal, axis=1)), rtol=1e-4)


def test_the_error_of_a_forecast_is_in_deviations_of_the_window():
    model, (x, y) = model_of("windows", "dfa"), windows(3)
    model.compile()
    rates = next(iter(model.spikes(x).values())).mean(axis=2)[:, -1]
    deviation = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    errors = ((model.predict(x, verbose=0) - y) / deviation).reshape(3, 4)
    signal = errors @ ops.convert_to_numpy(model.feedback[0].kernel)
    loss = model.compute_step(ops.convert_to_tensor(x), ops.convert_to_tensor(y)).stage_losses[0]
    np.testing.assert_allclose(ops.convert_to_numpy(loss), np.mean(np.sum(rates * signal, axis=1)), rtol=1e-3)


@pytest.mark.parametrize("rule", NOT_RECURRENT)
def test_rules_that_do_not_cover_recurrent_stages_name_others(rule):
    with pytest.raises(ValueError, match=r"stage 'recurrent_1' is recurrent.*'dfa', .*'eprop'"):
        model_of("recordings", rule)


def test_class_codes_need_classes():
    with pytest.raises(
        ValueError, match="the rule needs classes, and the task of readout 'readout' is regression"
    ):
        model_of("windows", "lls")


def test_a_forecaster_does_not_classify():
    with pytest.raises(ValueError, match=r"outputs \(batch, classes\).* Received: \(None, 2, 2\)"):
        baselines.DirectFeedbackAlignment(encoder_of("windows"))


@pytest.mark.parametrize("rule", ["dfa", "decolle", "local_readouts", "eprop"])
def test_local_rules_refuse_padded_windows_that_are_standardised(rule):
    window = keras.Input((6, 2))
    padded = keras.layers.Masking(-1.0)(window)
    standardized, deviations = CausalStandardization(6)(padded)
    spikes = SpikingRecurrent(6, timesteps=2, targets="last")(standardized)
    synapse = [keras.layers.Dense(4), keras.layers.Reshape((2, 2))]
    multiples = SequenceReadout(synapse, targets="last")(spikes)
    encoder = keras.Model(window, Destandardize()([multiples, padded, deviations]))
    model = model_of(encoder, rule)
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=r"takes whole windows.* an encoder that masks elements"):
        model.train_on_batch(*windows())


def test_every_rule_is_covered_or_has_an_obstacle():
    encoder = encoder_of("recordings")
    covered = [
        name for name in baselines.list_methods() if not baselines.get(name).obstacle(encoder, "classification")
    ]
    assert set(RULES) <= set(covered)
    assert not set(NOT_RECURRENT) & set(covered)
    assert len(flatten_stages(encoder, keras_bsd.layers.SpikingRecurrent)) == 2
