import keras
import numpy as np
import pytest

from keras_bsd import datasets
from keras_bsd.applications import SpikingCharRNN, SpikingForecaster

ALPHABET = "abc "


def small_forecaster(**kwargs):
    return SpikingForecaster(12, 3, 2, units=(24,), delays=6, **kwargs)


def waves(elements=300):
    t = np.arange(elements)
    return np.stack([np.sin(0.4 * t), np.cos(0.25 * t)], axis=1).astype("float32")


def test_defaults():
    model = SpikingForecaster(48, 6, 7)
    assert [stage.output_features for stage in model.encoder_stages] == [(128,), (128,)]
    assert model.encoder_stages[0].delays == 16
    assert model.encoder.output_shape == (None, 6, 7)
    model = SpikingCharRNN(ALPHABET)
    assert [stage.output_features for stage in model.decoder_stages] == [(256,)]
    kernels = 8 * 4 * 256 + 256 * 256
    assert model.encoder.count_params() == kernels + 2 * 256 + 257 * 4


def test_forecasts_beat_the_last_element_held():
    x, y = datasets.windows(waves(), 12, 3)
    model = small_forecaster()
    model.compile(keras.optimizers.AdamW(1.5e-2))
    model.fit(x[:220], y[:220], batch_size=22, epochs=8, verbose=0)
    forecasts = model.predict(x[220:], verbose=0)
    held = np.mean((x[220:, -1:] - y[220:]) ** 2)
    assert np.mean((forecasts - y[220:]) ** 2) < 0.5 * held


def test_forecasts_follow_level_and_scale():
    """What the network is told of a window knows neither."""
    model, (x, _) = small_forecaster(), datasets.windows(waves(), 12, 3)
    plain = model.predict(x, verbose=0)
    moved = model.predict(50 + 3 * x, verbose=0)
    # Where a membrane stands at its threshold, rounding may decide: few windows do.
    close = np.isclose(moved, 50 + 3 * plain, atol=1e-2).all(axis=(1, 2))
    assert close.mean() > 0.9


def test_recalls_windows():
    model = small_forecaster()
    assert model.recall(np.zeros((2, 3, 2))).shape == (2, 12, 2)
    assert SpikingCharRNN(ALPHABET, units=(8,)).recall([0, 3]).shape == (2, 4)


def test_a_text_is_learned_and_written():
    model = SpikingCharRNN(ALPHABET, units=(24,), delays=3)
    model.compile(keras.optimizers.AdamW(1.5e-2), metrics=["accuracy"])
    text = "abc cab " * 60  # what follows a letter is known from the one before it
    batches = datasets.TextWindows(model.encode(text), window=16, batch_size=4)
    model.fit(batches, epochs=8, shuffle=False, verbose=0)
    assert model.generate("abc cab ", 16, temperature=0) == "abc cab " * 2
    written = model.generate("abc", 30, temperature=1.5, seed=3)
    assert len(written) == 30
    assert written == model.generate("abc", 30, temperature=1.5, seed=3)
    assert {*written} <= {*ALPHABET}
    assert model.decode(model.encode("cab a")) == "cab a"


def test_weighted_elements():
    """Elements of weight zero count for nothing, whatever follows them."""
    model = SpikingCharRNN(ALPHABET, units=(8,))
    model.compile()
    generator = np.random.default_rng(0)
    x, other = generator.integers(0, 4, (2, 4, 6))
    weights = np.ones((4, 6), "float32")
    weights[:, 3:] = 0
    y = np.where(weights, x, other)
    first, second = (model.distil(x, targets, weights) for targets in (x, y))
    assert float(first.task_loss) == pytest.approx(float(second.task_loss), rel=1e-5)
    assert float(first.stage_losses[0]) == pytest.approx(float(second.stage_losses[0]), rel=1e-5)
    assert float(model.distil(x, y).stage_losses[0]) != pytest.approx(float(first.stage_losses[0]), rel=1e-3)


@pytest.mark.parametrize("network", ["forecaster", "characters"])
def test_saved_and_loaded(network, tmp_path):
    if network == "forecaster":
        build, x = small_forecaster, datasets.windows(waves(20), 12, 3)[0]
    else:
        build = lambda **kwargs: SpikingCharRNN(ALPHABET, units=(8,), **kwargs)  # noqa: E731
        x = np.random.default_rng(0).integers(0, 4, (4, 6))
    model = build()
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), expected)
    again = build(weights=tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), expected)
    assert getattr(loaded, "alphabet", ALPHABET) == ALPHABET
    assert loaded.layer_loss.get_config() == model.layer_loss.get_config()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: SpikingForecaster(12, 0, 2),
            "`horizon` must be an integer of at least 1. Received: horizon=0",
        ),
        (lambda: SpikingForecaster(1, 3, 2), "`window` must be an integer of at least 2"),
        (lambda: SpikingForecaster(12, 3), "SpikingForecaster needs `variables`, or a preset"),
        (lambda: SpikingForecaster(12, 3, 2, units=()), "at least one stage"),
        (lambda: SpikingForecaster(12, 3, 2, normalization="batch"), "choose one of 'instance', 'none'"),
        (lambda: SpikingCharRNN("aba"), "at least two characters, each once. Received: 'aba'"),
        (lambda: SpikingCharRNN(), "SpikingCharRNN needs `alphabet`"),
        (lambda: SpikingCharRNN(ALPHABET, units=(4,)).encode("abxyx"), "does not have the characters 'xy'"),
        (lambda: SpikingCharRNN(ALPHABET, units=(4,)).generate("", 3), "at least one character"),
        (lambda: SpikingCharRNN(ALPHABET, units=(4,)).generate("a", -1), "`length` must be"),
        (lambda: SpikingCharRNN(ALPHABET, units=(4,)).generate("a", 1, temperature=-1), "`temperature` must"),
        (
            lambda: SpikingCharRNN(ALPHABET, units=(4,)).fit(np.zeros((2, 3)), np.full((2, 3), 4)),
            r"Classes must lie in \[0, 3\]. Received: classes from 4 to 4",
        ),
        (
            lambda: SpikingCharRNN(ALPHABET, units=(4,)).fit(np.zeros((2, 3)), np.zeros(2)),
            r"class numbers \(batch, elements\) or of shape \(batch, elements, 4\). Received: shape=\(2,\)",
        ),
        (
            lambda: small_forecaster().fit(np.zeros((2, 9, 2)), np.zeros((2, 3, 2))),
            r"Stimuli must have shape \(batch, 12, 2\). Received: shape=\(2, 9, 2\)",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
