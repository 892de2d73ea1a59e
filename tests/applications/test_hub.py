"""Pairs on the Hugging Face Hub, by a stand-in for it."""

import keras
import numpy as np
import pytest

import keras_bsd
from keras_bsd import applications


@pytest.mark.slow
def test_a_trained_pair_returns_whole(hub):
    random = np.random.default_rng(0)
    x, y = random.random((6, 4), "float32"), np.arange(6) % 3
    model = applications.SpikingMLP((4,), classes=3, timesteps=2, units=(5,), local_readout_weight=1.0)
    model.compile(keras.optimizers.AdamW(1e-2), metrics=["accuracy"])
    model.fit(x, y, batch_size=6, epochs=1, verbose=0)
    model.save("hf://somebody/shapes")

    loaded = keras.saving.load_model("hf://somebody/shapes")
    assert type(loaded) is keras_bsd.BSDModel
    for part, other in ((model, loaded), (model.optimizer, loaded.optimizer)):
        for saved, restored in zip(part.variables, other.variables, strict=True):
            np.testing.assert_array_equal(restored, saved)
    np.testing.assert_array_equal(loaded.encoder(x), model.encoder(x))


@pytest.mark.parametrize("compiled", [False, True])
def test_load_preset_from_the_hub(compiled, hub):
    model = applications.SpikingMLP((4,), classes=3, timesteps=2, units=(5,))
    model.compile(keras.optimizers.AdamW(0.125))
    keras.saving.save_model(model, "hf://somebody/shapes")
    loaded = applications.load_preset("hf://somebody/shapes", compile=compiled)
    assert loaded.compiled == compiled
    assert not compiled or float(loaded.optimizer.learning_rate) == 0.125
    for restored, saved in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(restored, saved)


@pytest.mark.parametrize(
    "build",
    [
        lambda: applications.SpikingAutoencoder((4, 4, 1), latent_units=3, units=(5,), timesteps=2),
        lambda: applications.SpikingForecaster(window=6, horizon=2, variables=3, units=(5,), delays=2),
        lambda: applications.SpikingCharRNN(alphabet="abc", units=(5,), delays=2),
        lambda: keras_bsd.baselines.get("dfa")(
            applications.SpikingMLP((4,), classes=3, timesteps=2, units=(5,)).encoder
        ),
    ],
    ids=["autoencoder", "forecaster", "text", "rival rule"],
)
def test_other_models_return_with_their_weights(build, hub):
    model = build()
    model.save("hf://somebody/other")
    loaded = keras.saving.load_model("hf://somebody/other")
    assert type(loaded) is type(model)
    for restored, saved in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(restored, saved)


def test_a_card_replaces_that_of_keras(hub):
    huggingface_hub = pytest.importorskip("huggingface_hub")
    model = applications.SpikingMLP((4,), classes=3, timesteps=2, units=(5,))
    model.save("hf://somebody/shapes")
    assert b"should be completed" in hub.repositories["somebody/shapes"]["README.md"]
    card = applications.model_card(model, "somebody/shapes", task="recognition", data="shapes")
    huggingface_hub.ModelCard(card).push_to_hub("somebody/shapes")
    assert hub.repositories["somebody/shapes"]["README.md"].decode() == card
    assert huggingface_hub.ModelCard.load("somebody/shapes").data.library_name == "keras"
    keras.saving.load_model("hf://somebody/shapes")
    model.save("hf://somebody/shapes")
    assert b"should be completed" in hub.repositories["somebody/shapes"]["README.md"]
