"""Losses of a pair by name, class or function."""

import keras
import numpy as np
import pytest

import keras_bsd
from tests.models import pairs


@keras.saving.register_keras_serializable("tests")
def largest_error(stimuli, recalled):
    return keras.ops.max(keras.ops.abs(stimuli - recalled), axis=-1)


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("mae", 2.0),
        ("MeanSquaredError", 5.0),
        (keras.losses.MeanAbsoluteError, 2.0),
        (keras.losses.MeanAbsoluteError(), 2.0),
        (keras.losses.mean_squared_error, 5.0),
        (largest_error, 3.0),
        (None, 5.0),
    ],
)
def test_recall_loss(identifier, expected):
    loss = pairs.small_pair(recall_loss=identifier).recall_loss
    assert float(loss(np.array([[0.0, 0.0]]), np.array([[1.0, 3.0]]))) == pytest.approx(expected)


def test_a_function_weighs_samples_and_is_saved(tmp_path):
    model = pairs.small_pair(recall_loss=largest_error)
    model.save(tmp_path / "model.keras")
    loss = keras.saving.load_model(tmp_path / "model.keras").recall_loss
    recalled = np.array([[1.0], [4.0]])
    assert float(loss(np.zeros((2, 1)), recalled, np.array([1.0, 0.0]))) == pytest.approx(0.5)
    model.compile(run_eagerly=True)
    x, y = pairs.samples(model)
    assert np.isfinite(model.fit(x, y, sample_weight=np.ones(12), verbose=0).history["loss"]).all()


@pytest.mark.parametrize(
    ("identifier", "kind"),
    [
        ("reco", keras_bsd.losses.ReCo),
        ("ReCo", keras_bsd.losses.ReCo),
        ("FrequencyReCo", keras_bsd.losses.FrequencyReCo),
        ("similarity_matching", keras_bsd.losses.SimilarityMatching),
        (keras_bsd.losses.SimilarityMatching, keras_bsd.losses.SimilarityMatching),
        (None, keras_bsd.losses.ReCo),
    ],
)
def test_layer_loss(identifier, kind):
    assert type(pairs.small_pair(layer_loss=identifier).layer_loss) is kind


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"recall_loss": "mean"},
            "`recall_loss` must be a Keras loss, its name such as 'mse'.* recall_loss='mean'",
        ),
        ({"recall_loss": 3}, "Received: recall_loss=3"),
        ({"layer_loss": "mse"}, "Unknown `layer_loss`: choose one of .*'ReCo', .* Received: layer_loss='mse'"),
        ({"layer_loss": dict}, "`layer_loss` must be a keras_bsd.losses.LayerLoss"),
        ({"layer_loss": 3}, "Received: layer_loss=3"),
    ],
)
def test_unknown_losses(arguments, message):
    with pytest.raises(ValueError, match=message):
        pairs.small_pair(**arguments)
