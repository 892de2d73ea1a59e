import keras
import numpy as np
import pytest

from keras_bsd import datasets
from keras_bsd.applications import SpikingForecaster


def small_forecaster(**kwargs):
    return SpikingForecaster(12, 3, 2, units=(24,), delays=6, **kwargs)


def waves(elements=300):
    t = np.arange(elements)
    return np.stack([np.sin(0.4 * t), np.cos(0.25 * t)], axis=1).astype("float32")


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x))


def test_sizes_by_default():
    model = SpikingForecaster(48, 6, 7)
    assert [stage.output_features for stage in model.encoder_stages] == [(128,), (128,)]
    assert model.encoder_stages[0].delays == 16
    assert model.encoder.output_shape == (None, 6, 7)


def test_forecasts_beat_persistence():
    x, y = datasets.windows(waves(), 12, 3)
    model = small_forecaster()
    model.compile(keras.optimizers.AdamW(1.5e-2))
    model.fit(x[:220], y[:220], batch_size=22, epochs=8, verbose=0)
    forecasts = model.predict(x[220:], verbose=0)
    persistence = np.mean((x[220:, -1:] - y[220:]) ** 2)
    assert np.mean((forecasts - y[220:]) ** 2) < 0.5 * persistence


def test_forecasts_follow_level_and_scale():
    """The network's input depends on neither."""
    model, (x, _) = small_forecaster(), datasets.windows(waves(), 12, 3)
    plain, moved = model.predict(x, verbose=0), model.predict(50 + 3 * x, verbose=0)
    # In a few windows a membrane is so close to its threshold that rounding decides.
    close = np.isclose(moved, 50 + 3 * plain, atol=1e-2).all(axis=(1, 2))
    assert close.mean() > 0.9


def test_without_normalization_the_level_matters():
    model, (x, _) = small_forecaster(normalization=None), datasets.windows(waves(), 12, 3)
    assert not np.allclose(outputs(model, x + 5), outputs(model, x) + 5, atol=0.1)


def test_recalls_windows():
    assert small_forecaster().recall(np.zeros((2, 3, 2))).shape == (2, 12, 2)


def test_saved_and_loaded(tmp_path):
    model, x = small_forecaster(), datasets.windows(waves(20), 12, 3)[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for other in (loaded, small_forecaster(weights=tmp_path / "model.keras")):
        np.testing.assert_array_equal(outputs(other, x), outputs(model, x))
    assert loaded.layer_loss.get_config() == model.layer_loss.get_config()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: SpikingForecaster(12, 0, 2),
            "`horizon` must be an integer of at least 1. Received: horizon=0",
        ),
        (lambda: SpikingForecaster(1, 3, 2), "`window` must be an integer of at least 2"),
        (lambda: SpikingForecaster(12, 3, 2, units=()), "at least one stage"),
        (
            lambda: SpikingForecaster(12, 3, 2, normalization="batch"),
            "choose one of 'instance', 'none', None. Received: normalization='batch'",
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
