"""Files that version 0.1.0 saved load, and predict what they predicted there (TensorFlow, float32)."""

import pathlib

import keras
import numpy as np
import pytest

import keras_bsd

FOLDER = pathlib.Path(__file__).parent / "saved_by_0_1_0"


@pytest.fixture(scope="module")
def predictions():
    with np.load(FOLDER / "predictions.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", ["mlp", "frequency", "autoencoder", "forecaster", "characters", "own"])
def test_a_saved_model_predicts_the_same(name, predictions):
    model = keras.saving.load_model(FOLDER / f"{name}.keras")
    predicted = model.predict(predictions[f"{name}_x"], verbose=0)
    if name == "own" and keras.config.backend() != "tensorflow":
        pytest.skip("its encoder draws random spikes, which differ between backends")
    np.testing.assert_allclose(predicted, predictions[f"{name}_y"], atol=1e-5)


def test_renamed_arguments_keep_their_values():
    model = keras.saving.load_model(FOLDER / "mlp.keras")
    assert model.local_readout_weight == 0.5
    assert model.negatives == "all"
    assert len(model.stage_readouts) == 2
    assert keras.saving.load_model(FOLDER / "autoencoder.keras").rate_matching_weight == 7.0
    assert keras.saving.load_model(FOLDER / "frequency.keras").negatives == "dissimilar"
    forecaster = keras.saving.load_model(FOLDER / "forecaster.keras")
    assert [stage.targets for stage in forecaster.encoder_stages] == ["last"]
    assert forecaster.encoder.get_layer("readout").targets == "last"


def test_a_loaded_model_trains_on(predictions):
    model = keras.saving.load_model(FOLDER / "mlp.keras")
    history = model.fit(predictions["mlp_x"], np.arange(16) % 3, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_saved_weights_load(predictions):
    neuron = {"tau": 2.0, "reset": "soft", "trainable_leak": True}
    model = keras_bsd.applications.SpikingMLP(
        (8, 8, 1),
        classes=3,
        units=(12, 8),
        timesteps=3,
        neuron=neuron,
        local_readout_weight=0.5,
        decoder={"broadcast_concept": False, "gain": 1.0},
        weights=FOLDER / "mlp.weights.h5",
    )
    predicted = model.predict(predictions["mlp_x"], verbose=0)
    np.testing.assert_allclose(predicted, predictions["mlp_y"], atol=1e-5)
