"""Forward-forward, against NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd import baselines
from keras_bsd.layers import FrameMasking, Readout, SpikingDense
from tests.baselines import reference

BATCH = reference.BATCH


def small_model(**kwargs):
    return baselines.ForwardForward(
        reference.small_encoder(), **{"sharpness": 4.0, "rule": "surrogate", **kwargs}
    )


def patterns_of(model):
    return ops.convert_to_numpy(model.patterns).astype("float64")


def forward_on(encoder, stimuli, monkeypatch):
    """Return the signals of `reference.Forward` for stimuli of the classes of the small batch, repeated."""
    _, y = reference.small_batch()
    with monkeypatch.context() as patch:
        patch.setattr(reference, "small_batch", lambda: (stimuli, np.resize(y, len(stimuli))))
        return reference.Forward(encoder)


def goodness(rates):
    return (rates**2).mean(axis=1)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def next_wrong_classes(model, classes):
    """Return what a training step draws next."""
    state = ops.copy(model.seed_generator.state.value)
    wrong = ops.convert_to_numpy(model._draw_wrong(ops.convert_to_tensor(classes, "int32")))
    model.seed_generator.state.assign(state)
    return wrong


def test_a_stage_learns_to_fire_more_with_the_true_pattern_than_with_a_wrong_one(monkeypatch):
    model, (x, y) = small_model(), reference.small_batch()
    patterns, wrong = patterns_of(model), next_wrong_classes(model, y)
    stimuli = np.concatenate([x + patterns[y], x + patterns[wrong], x + patterns.mean(axis=0)])
    forward = forward_on(model.encoder, stimuli, monkeypatch)
    losses, by_rates = [], []
    for rates in forward.rates:
        true, false, _ = np.split(rates, 3)
        excess = 4.0 * (goodness(false) - goodness(true))
        losses.append(np.log1p(np.exp(excess)).mean())
        factor = (4.0 * sigmoid(excess) / BATCH)[:, None] * 2 / rates.shape[1]
        by_rates.append(np.concatenate([-factor * true, factor * false, np.zeros_like(true)]))
    errors = (forward.probabilities - forward.onehot)[2 * BATCH :] / BATCH
    expected = [*reference.updates_by_rates(forward, by_rates), forward.rates[1][2 * BATCH :].T @ errors]
    for update, value in zip(reference.updates_of(model), expected, strict=True):
        assert np.abs(value).max() > 1e-3
        np.testing.assert_allclose(update, value, rtol=1e-4, atol=1e-6)


def test_the_losses_of_a_step_are_those_of_its_stages(monkeypatch):
    model, (x, y) = small_model(), reference.small_batch()
    model.compile(loss="sparse_categorical_crossentropy")
    patterns, wrong = patterns_of(model), next_wrong_classes(model, y)
    step = model.compute_step(ops.convert_to_tensor(x), ops.convert_to_tensor(y))
    pairs = [forward_on(model.encoder, x + patterns[classes], monkeypatch).rates for classes in (y, wrong)]
    for loss, true, false in zip(step.stage_losses, *pairs, strict=True):
        expected = np.log1p(np.exp(4.0 * (goodness(false) - goodness(true)))).mean()
        assert float(ops.convert_to_numpy(loss)) == pytest.approx(expected, rel=1e-5)
    scores = forward_on(model.encoder, x + patterns.mean(axis=0), monkeypatch).probabilities
    np.testing.assert_allclose(ops.convert_to_numpy(step.scores), scores, atol=1e-5)
    task_loss = float(ops.convert_to_numpy(step.task_loss))
    assert task_loss == pytest.approx(-np.log(scores[np.arange(BATCH), y]).mean(), rel=1e-5)


def test_predictions_are_by_the_goodness_of_all_stages_with_the_pattern_of_each_class(monkeypatch):
    model, (x, y) = small_model(), reference.small_batch()
    by_class = [forward_on(model.encoder, x + pattern, monkeypatch).rates for pattern in patterns_of(model)]
    mean_goodness = np.stack([(goodness(lower) + goodness(upper)) / 2 for lower, upper in by_class], axis=1)
    expected = reference.softmax(4.0 * mean_goodness)
    assert np.ptp(expected) > 0.05
    np.testing.assert_allclose(model.predict(x, batch_size=4, verbose=0), expected, atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(model(x)), expected, atol=1e-5)
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    assert logs["accuracy"] == pytest.approx(np.mean(expected.argmax(axis=1) == y))
    assert logs["loss"] == pytest.approx(-np.log(expected[np.arange(BATCH), y]).mean(), rel=1e-4)


def test_predictions_by_the_readout_are_of_the_stimulus_with_the_mean_pattern(monkeypatch):
    model, (x, _) = small_model(decision="readout"), reference.small_batch()
    expected = forward_on(model.encoder, x + patterns_of(model).mean(axis=0), monkeypatch).probabilities
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)


def test_a_wrong_class_is_any_but_the_true_one_and_drawn_anew():
    model, classes = small_model(), np.arange(300) % 3
    draws = [ops.convert_to_numpy(model._draw_wrong(ops.convert_to_tensor(classes, "int32"))) for _ in range(2)]
    for wrong in draws:
        assert not np.any(wrong == classes)
        for c in range(3):
            assert set(wrong[classes == c]) == {0, 1, 2} - {c}
    assert not np.array_equal(*draws)


@pytest.mark.parametrize("jit_compile", [False, keras.config.backend() != "torch"])
def test_each_training_step_draws_anew(jit_compile):
    model, (x, y) = small_model(), reference.small_batch()
    model.compile(keras.optimizers.SGD(0.0), loss="sparse_categorical_crossentropy", jit_compile=jit_compile)
    states = []
    for _ in range(2):
        model.fit(x, y, verbose=0)
        states.append(ops.convert_to_numpy(model.seed_generator.state).tolist())
    assert states[0] != states[1]


def test_patterns_follow_the_global_seed_and_do_not_learn():
    models = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        models.append(small_model(pattern_scale=2.0))
    first, second, third = map(patterns_of, models)
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - third).max() > 0.1
    model = models[0]
    model.compile(loss="sparse_categorical_crossentropy", run_eagerly=True)
    model.fit(*reference.small_batch(), verbose=0)
    np.testing.assert_array_equal(patterns_of(model), first)


def test_a_loaded_model_has_the_patterns_the_settings_and_the_draws_of_the_saved_one(tmp_path):
    model, (x, y) = small_model(decision="readout", pattern_scale=0.25), reference.small_batch()
    model.compile(loss="sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(patterns_of(loaded), patterns_of(model))
    assert (loaded.decision, loaded.sharpness, loaded.pattern_scale) == ("readout", 4.0, 0.25)
    np.testing.assert_array_equal(next_wrong_classes(loaded, y), next_wrong_classes(model, y))
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    model.save_weights(tmp_path / "model.weights.h5")
    other = small_model()
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(patterns_of(other), patterns_of(model))


def test_one_output_is_the_probability_of_the_second_of_two_classes():
    encoder = keras.Sequential(
        [keras.Input((4,)), SpikingDense(9, timesteps=3), Readout(keras.layers.Dense(1), "sigmoid")]
    )
    model = baselines.ForwardForward(encoder)
    model.compile(loss="binary_crossentropy", metrics=["accuracy"], run_eagerly=True)
    x, y = reference.small_batch()
    assert np.isfinite(model.fit(x, y % 2, verbose=0).history["loss"]).all()
    goodness = ops.convert_to_numpy(model._goodness_by_class(ops.convert_to_tensor(x)))
    expected = sigmoid(64.0 * (goodness[:, 1] - goodness[:, 0]))
    np.testing.assert_allclose(model.predict(x, verbose=0)[:, 0], expected, atol=1e-5)


def frames_encoder(length=5):
    stimulus = keras.Input((length, 2, 3))
    spikes = SpikingDense(6, name="lower")(FrameMasking()(stimulus))
    return keras.Model(stimulus, Readout(keras.layers.Dense(3), "softmax")(spikes))


def test_a_pattern_is_added_to_all_time_steps_but_padding():
    model = baselines.ForwardForward(frames_encoder())
    assert model.patterns.shape == (3, 2, 3)
    x = np.zeros((2, 5, 2, 3), "float32")
    x[0, :3, 0, 0], x[1, 1, 1, 2] = 1, 1
    stimuli = ops.convert_to_numpy(model._add_pattern(ops.convert_to_tensor(x), ops.convert_to_tensor([2, 1])))
    patterns = patterns_of(model)
    np.testing.assert_allclose(stimuli[0, :3], x[0, :3] + patterns[2], rtol=1e-6)
    np.testing.assert_allclose(stimuli[1, 1], x[1, 1] + patterns[1], rtol=1e-6)
    assert not stimuli[0, 3:].any()
    assert not stimuli[1, [0, 2, 3, 4]].any()


def test_recordings_of_any_length_are_trained_on_and_padding_changes_no_prediction():
    model = baselines.ForwardForward(frames_encoder(None))
    model.compile(loss="sparse_categorical_crossentropy", run_eagerly=True)
    x = np.random.default_rng(0).integers(0, 2, (6, 4, 2, 3)).astype("float32")
    x[:, -1, 0, 0] = 1
    assert np.isfinite(model.fit(x, np.arange(6) % 3, verbose=0).history["loss"]).all()
    padded = np.pad(x, [(0, 0), (0, 3), (0, 0), (0, 0)])
    np.testing.assert_allclose(model.predict(padded, verbose=0), model.predict(x, verbose=0), atol=1e-6)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="export needs TensorFlow")
def test_an_exported_model_predicts_by_goodness(tmp_path):
    import tensorflow as tf

    model, (x, _) = small_model(), reference.small_batch()
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(exported.serve(x), model.predict(x, verbose=0), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"decision": "vote"},
            r"Unknown `decision`: choose one of 'goodness', 'readout'. Received: decision='vote'",
        ),
        ({"sharpness": 0.0}, r"`sharpness` must be .* Received: sharpness=0.0"),
        ({"pattern_scale": -1.0}, r"`pattern_scale` must be .* Received: pattern_scale=-1.0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        baselines.ForwardForward(reference.small_encoder(), **arguments)


def test_stimuli_that_no_pattern_can_be_added_to_are_refused():
    tokens = keras_bsd.applications.SpikingCharRNN("abc", units=(6,)).encoder
    with pytest.raises(ValueError, match=r"Rule 'forward_forward' cannot.*integers of input 'characters' no"):
        baselines.ForwardForward(tokens)
    stimulus = keras.Input((None, 4, 1), name="images")
    pooled = keras.layers.GlobalAveragePooling2D()(stimulus)
    encoder = keras.Model(
        stimulus, Readout(keras.layers.Dense(3), "softmax")(SpikingDense(5, timesteps=2)(pooled))
    )
    with pytest.raises(ValueError, match=r"the shape of a pattern, that of input 'images', is not known"):
        baselines.ForwardForward(encoder)


def test_encoders_of_recurrent_stages_or_with_a_class_for_each_element_are_refused():
    recurrent = keras_bsd.applications.SpikingRNN((5, 4), 3, units=(6,)).encoder
    with pytest.raises(ValueError, match=r"Rule 'forward_forward' cannot.*'recurrent_1' is recurrent"):
        baselines.ForwardForward(recurrent)
    by_row = keras.Sequential(
        [
            keras.Input((4,)),
            SpikingDense(6, timesteps=2),
            Readout([keras.layers.Dense(6), keras.layers.Reshape((2, 3))], "softmax", name="rows"),
        ]
    )
    with pytest.raises(ValueError, match=r"Rule 'forward_forward' cannot.*'rows' has not one class for each"):
        baselines.ForwardForward(by_row)


@pytest.mark.slow
def test_a_convolutional_network_learns_digits_with_the_defaults(digits):
    (x, y), test = digits
    keras.utils.set_random_seed(0)
    model = baselines.ForwardForward(keras_bsd.applications.SpikingConvNet((8, 8, 1), 10).encoder)
    schedule = keras.optimizers.schedules.CosineDecay(6e-3, 15 * (len(x) // 64 + 1))
    model.compile(
        keras.optimizers.AdamW(schedule), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(x, y, batch_size=64, epochs=15, verbose=0)
    assert model.evaluate(*test, verbose=0, return_dict=True)["accuracy"] > 0.9
