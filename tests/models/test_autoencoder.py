import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd.losses import Pairing
from tests.gradients import gradients
from tests.models import pairs


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).random((12, 8, 4, 2)).astype("float32")


@pytest.fixture(scope="module")
def model(x):
    """Return an autoencoder with random weights, statistics of the stimuli, and a prior."""
    keras.utils.set_random_seed(0)
    autoencoder = pairs.autoencoder()
    for network in (autoencoder.encoder, autoencoder.decoder):
        for stage in keras_bsd.layers.flatten_stages(network, keras_bsd.layers.SpikingStage):
            normalization = stage.synapse.layers[-1]
            normalization.beta.assign(normalization.beta + 0.5)  # so that no neuron is silent
            normalization.momentum = 0.0  # one pass sets the statistics
        network(x, training=True)
    autoencoder.fit_prior(x, np.arange(12) % 3)
    return autoencoder


def test_the_halves_compose_the_feedforward_network(model, x):
    spikes = model.latent_encoder.predict(x, verbose=0)
    assert spikes.shape == (12, 4, 5)
    assert set(np.unique(spikes)) == {0, 1}
    np.testing.assert_allclose(model.latent_decoder.predict(spikes, verbose=0), model.reconstruct(x), atol=1e-6)
    np.testing.assert_array_equal(model.latent_rates(x), spikes.mean(axis=1))
    np.testing.assert_array_equal(model.spikes(x)["latent"], spikes)


def test_prior_is_mean_and_covariance_of_each_concept(model, x):
    rates = model.latent_rates(x)
    mean, factor = map(ops.convert_to_numpy, (model.prior_mean, model.prior_factor))
    for concept in range(3):
        own = rates[concept::3]
        np.testing.assert_allclose(mean[concept, 0], own.mean(axis=0), atol=1e-6)
        covariance = factor[concept, 0] @ factor[concept, 0].T
        np.testing.assert_allclose(covariance, np.cov(own.T, bias=True) + 1e-5 * np.eye(5), atol=1e-6)


def test_generated_rates_follow_the_prior(model, monkeypatch):
    monkeypatch.setattr(model, "from_rates", lambda rates, batch_size: rates)
    rates = model.generate(20_000, concepts=1, seed=0)
    mean, factor = (ops.convert_to_numpy(variable)[1, 0] for variable in (model.prior_mean, model.prior_factor))
    np.testing.assert_allclose(rates.mean(axis=0), mean, atol=0.01)
    np.testing.assert_allclose(np.cov(rates.T), factor @ factor.T, atol=0.01)
    wider = model.generate(20_000, concepts=1, seed=0, temperature=2.0)
    np.testing.assert_allclose(wider - mean, 2 * (rates - mean), atol=1e-5)


def test_a_mixture_fits_two_kinds_within_a_concept(monkeypatch):
    """Rates of two kinds, one of them three times as frequent, and none in between."""
    model = pairs.autoencoder(components=2)
    kinds = np.array([[0.1] * 5, [0.1] * 5, [0.1] * 5, [0.9] * 5])
    rates = np.tile(kinds, (30, 1)) + np.random.default_rng(0).normal(0, 0.01, (120, 5))
    monkeypatch.setattr(model, "latent_rates", lambda x, batch_size: rates)
    model.fit_prior(np.zeros((120, 8, 4, 2)), np.repeat([0, 1, 2], 40))
    monkeypatch.setattr(model, "from_rates", lambda rates, batch_size: rates)
    samples = model.generate(4000, concepts=1, seed=0)
    assert np.minimum(abs(samples - 0.1), abs(samples - 0.9)).max() < 0.1
    assert (samples.mean(axis=1) < 0.5).mean() == pytest.approx(0.75, abs=0.03)
    np.testing.assert_allclose(model.recall([1]), [[0.3] * 5], atol=0.02)


@pytest.mark.parametrize("n", [1, 7, 33])
def test_generates_any_number_reproducibly(model, n):
    images = model.generate(n, seed=3)
    assert images.shape == (n, 8, 4, 2)
    np.testing.assert_allclose(model.generate(n, seed=3, batch_size=5), images, atol=1e-6)
    assert not np.array_equal(model.generate(n, seed=4), images)


def test_recalls_the_mean_rates_of_a_concept(model):
    expected = model.from_rates(ops.convert_to_numpy(model.prior_mean)[[2, 0], 0])
    np.testing.assert_array_equal(model.recall([2, 0]), expected)
    np.testing.assert_array_equal(model.generate(2, [2, 0], temperature=0.0), expected)


def test_rates_become_evenly_spaced_spikes(model):
    rates = np.array([[0.0, 0.25, 0.5, 1.0, 1.7]])
    spikes = np.array([[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 1], [1, 1, 1, 1], [1, 1, 1, 1]]).T[None]
    expected = model.latent_decoder.predict(spikes.astype("float32"), verbose=0)
    np.testing.assert_allclose(model.from_rates(rates), expected, atol=1e-6)


@pytest.mark.parametrize("rate_noise", [0.0, 0.2])
def test_completes_by_the_posterior_mean(rate_noise, model, x):
    mask = np.arange(8)[:, None, None] < 4
    guess = np.where(mask, x, 0)
    for _ in range(3):
        rates = model.latent_rates(guess)
        rates = model._prior.posterior_mean(rates, rate_noise) if rate_noise else rates
        guess = np.where(mask, x, np.clip(model.from_rates(rates), 0, 1))
    hidden = np.where(mask, x, np.nan).astype("float32")  # is ignored
    completed = model.complete(hidden, mask, iterations=3, rate_noise=rate_noise)
    np.testing.assert_allclose(completed, guess, atol=1e-6)


def test_completes_without_a_prior(x):
    model = pairs.autoencoder()
    np.testing.assert_array_equal(model.complete(x, x > 0.5), model.complete(x, x > 0.5, rate_noise=0.0))


def test_interpolates_between_latent_rates(model, x):
    images = model.interpolate(x[:2], x[2:4], steps=3)
    assert images.shape == (2, 3, 8, 4, 2)
    start, end = model.latent_rates(x[:2]), model.latent_rates(x[2:4])
    for i, rates in enumerate([start, (start + end) / 2, end]):
        np.testing.assert_allclose(images[:, i], model.from_rates(rates), atol=1e-6)


def test_saves_the_prior_too(model, x, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.generate(5, seed=0), model.generate(5, seed=0))
    np.testing.assert_array_equal(loaded.reconstruct(x), model.reconstruct(x))
    assert (loaded.latent, loaded.concepts, loaded.rate_matching_weight) == ("latent", 3, 100.0)
    fresh = pairs.autoencoder()
    model.save_weights(tmp_path / "model.weights.h5")
    fresh.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(fresh.generate(5, seed=0), model.generate(5, seed=0))


def test_configurations_of_version_0_1_load():
    config = pairs.autoencoder(rate_matching_weight=7.0, local_readout_weight=0.5).get_config()
    config |= {
        "following": config.pop("rate_matching_weight"),
        "local_readouts": config.pop("local_readout_weight"),
        "negatives": "unlike",
    }
    loaded = keras_bsd.BSDAutoencoder.from_config(config)
    assert (loaded.rate_matching_weight, loaded.local_readout_weight) == (7.0, 0.5)
    assert loaded.negatives == "dissimilar"


@pytest.mark.parametrize(
    ("sizes", "jit_compile"),
    [
        pytest.param({"units": (6,)}, False, id="dense"),
        pytest.param({"units": (6,)}, True, id="dense, XLA", marks=pytest.mark.slow),
        pytest.param({}, False, id="conv", marks=pytest.mark.slow),
        pytest.param(
            {"layer_loss": keras_bsd.losses.FrequencyReCo()}, False, id="bands", marks=pytest.mark.slow
        ),
    ],
)
def test_learns_to_reconstruct(sizes, jit_compile, x):
    keras.utils.set_random_seed(0)
    model = pairs.autoencoder(**sizes)
    before = float(np.square(model.reconstruct(x) - x).mean())
    model.compile(keras.optimizers.AdamW(0.02), jit_compile=jit_compile)
    history = model.fit(x, x, batch_size=6, epochs=30, verbose=0).history
    assert float(np.square(model.reconstruct(x) - x).mean()) < before
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["latent_alignment"][-1] > history["latent_alignment"][0] + 0.1


@pytest.mark.parametrize("position", range(5))
def test_the_stage_farther_from_its_input_learns_to_match_the_nearer(position):
    model = pairs.autoencoder(rate_matching_weight=30.0)
    rates, teacher = np.random.default_rng(0).random((2, 4, 3, 2)).astype("float32")
    pairing = Pairing(ops.eye(4), (ops.zeros((4, 4)),) * 3)

    def rate_matching(rates, teacher):
        losses, _ = model._compare(position, rates, teacher, pairing)
        return ops.sum(losses - model.layer_loss.compare(rates, teacher, pairing)[0])

    expected = 0 if position == 2 else 30 * np.square(rates - teacher).mean(axis=(1, 2)).sum()
    assert float(rate_matching(*map(ops.convert_to_tensor, (rates, teacher)))) == pytest.approx(
        expected, rel=1e-4, abs=1e-4
    )
    by_rates, by_teacher = (np.abs(g).max() > 1e-3 for g in gradients(rate_matching, [rates, teacher]))
    assert (by_rates, by_teacher) == (position > 2, position < 2)


def test_the_latent_stage_must_have_one_axis():
    model = pairs.autoencoder()
    networks = model.encoder, model.decoder
    with pytest.raises(ValueError, match=r"of shape \(units,\).*Received: stage 'down_1' of shape \(4, 2, 3\)"):
        keras_bsd.BSDAutoencoder(*networks, latent="down_1")
    with pytest.raises(ValueError, match="Unknown `latent`: choose one of 'down_1', 'down_2', 'latent'"):
        keras_bsd.BSDAutoencoder(*networks, latent="middle")


BAD_CALLS = {
    "no stimuli": (lambda m, x: m.generate(0), "`n` must be an integer of at least 1. Received: n=0"),
    "negative number": (lambda m, x: m.generate(-3), "Received: n=-3"),
    "negative temperature": (lambda m, x: m.generate(2, temperature=-0.5), "Received: temperature=-0.5"),
    "unknown concept": (lambda m, x: m.generate(2, concepts=3), "integers .* from 0 to 2. Received: .*3"),
    "negative concept": (lambda m, x: m.recall([-1]), "from 0 to 2. Received: .*-1"),
    "concept that is no integer": (lambda m, x: m.recall([0.5]), "from 0 to 2. Received: .*0.5"),
    "too many concepts": (lambda m, x: m.generate(2, [0, 1, 2]), "one for each of n=2. Received: 3"),
    "mask of another shape": (lambda m, x: m.complete(x, np.ones((3, 5), bool)), r"Received: shape=\(3, 5\)"),
    "mask of numbers": (lambda m, x: m.complete(x, np.ones((8, 4, 2))), "dtype bool. Received: dtype=float64"),
    "all hidden": (
        lambda m, x: m.complete(x, np.arange(12)[:, None, None, None] > 1),
        "false everywhere in 2 of 12 stimuli",
    ),
    "no iteration": (lambda m, x: m.complete(x, x > 0, iterations=0), "Received: iterations=0"),
    "negative noise": (lambda m, x: m.complete(x, x > 0, rate_noise=-1.0), "`rate_noise` must be .*-1.0"),
    "too bright": (lambda m, x: m.reconstruct(255 * x), r"must lie in \[0, 1\]"),
    "not finite": (lambda m, x: m.reconstruct(np.full_like(x, np.nan)), r"`x` must be finite"),
    "NaN where known": (lambda m, x: m.complete(np.full_like(x, np.nan), x > 0), "`x` must be finite"),
    "another shape": (lambda m, x: m.latent_rates(x[:, :4]), r"Stimuli must have shape \(batch, 8, 4, 2\)"),
    "empty": (lambda m, x: m.reconstruct(x[:0]), "There are no stimuli"),
    "lengths": (lambda m, x: m.interpolate(x[:2], x[:3]), "the same length. Received: 2 and 3"),
    "one step": (lambda m, x: m.interpolate(x, x, steps=1), "`steps` must be an integer of at least 2"),
    "missing concepts": (lambda m, x: m.fit_prior(x), r"at least 2. Received: 12 stimuli.*\[12, 0, 0\]"),
}


@pytest.mark.parametrize("call", BAD_CALLS)
def test_bad_calls(call, model, x):
    function, message = BAD_CALLS[call]
    with pytest.raises(ValueError, match=message):
        function(model, x)


def test_generation_needs_a_prior():
    with pytest.raises(ValueError, match=r"call fit_prior\(x, y\) first"):
        pairs.autoencoder().generate(1)


def test_non_finite_pixels_change_no_weight(x):
    model = pairs.autoencoder()
    model.compile("adamw")
    before = [ops.convert_to_numpy(weight) for weight in model.weights]
    bad = x.copy()
    bad[-1, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"`x` must be finite\. .* in 1 of"):
        model.fit(bad, bad, verbose=0)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), value)


def test_a_classifier_has_no_generation():
    with pytest.raises(AttributeError):
        pairs.dense_pair().generate(1)
