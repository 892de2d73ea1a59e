import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd.models import _gaussian_mixture as gaussian_mixture
from tests.gradients import gradients
from tests.models import pairs


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).random((12, 8, 4, 2)).astype("float32")


@pytest.fixture(scope="module")
def model(x):
    """Of random weights, whose statistics have seen the stimuli, and with a prior."""
    keras.utils.set_random_seed(0)
    built = pairs.autoencoder()
    for network in (built.encoder, built.decoder):
        for stage in keras_bsd.layers.flatten_stages(network, keras_bsd.layers.SpikingStage):
            for weight in stage.trainable_weights:
                if weight.name == "beta":
                    weight.assign(weight + 0.5)  # nobody stays silent
        for _ in range(20):
            network(x, training=True)
    built.fit_prior(x, np.arange(12) % 3)
    return built


def test_the_halves_are_the_whole(model, x):
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
    drawn = model.generate(20_000, concepts=1, seed=0)
    mean, factor = (ops.convert_to_numpy(kept)[1, 0] for kept in (model.prior_mean, model.prior_factor))
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.01)
    np.testing.assert_allclose(np.cov(drawn.T), factor @ factor.T, atol=0.01)
    twice = model.generate(20_000, concepts=1, seed=0, temperature=2.0)
    np.testing.assert_allclose(twice - mean, 2 * (drawn - mean), atol=1e-5)


def test_a_mixture_finds_kinds_within_a_concept(monkeypatch):
    """Rates of two kinds, one of them three times as frequent, and nothing in between."""
    model = pairs.autoencoder(components=2)
    kinds = np.array([[0.1] * 5, [0.1] * 5, [0.1] * 5, [0.9] * 5])
    rates = np.tile(kinds, (30, 1)) + np.random.default_rng(0).normal(0, 0.01, (120, 5))
    monkeypatch.setattr(model, "latent_rates", lambda x, batch_size: rates)
    model.fit_prior(rates, np.repeat([0, 1, 2], 40))
    monkeypatch.setattr(model, "from_rates", lambda rates, batch_size: rates)
    drawn = model.generate(4000, concepts=1, seed=0)
    assert np.minimum(abs(drawn - 0.1), abs(drawn - 0.9)).max() < 0.1
    assert (drawn.mean(axis=1) < 0.5).mean() == pytest.approx(0.75, abs=0.03)
    np.testing.assert_allclose(model.recall([1]), [[0.3] * 5], atol=0.02)


@pytest.mark.parametrize("n", [1, 7, 33])
def test_generates_any_number_reproducibly(model, n):
    made = model.generate(n, seed=3)
    assert made.shape == (n, 8, 4, 2)
    np.testing.assert_allclose(model.generate(n, seed=3, batch_size=5), made, atol=1e-6)
    assert not np.array_equal(model.generate(n, seed=4), made)


def test_recalls_what_a_concept_has_in_common(model):
    expected = model.from_rates(ops.convert_to_numpy(model.prior_mean)[[2, 0], 0])
    np.testing.assert_array_equal(model.recall([2, 0]), expected)
    np.testing.assert_array_equal(model.generate(2, [2, 0], temperature=0.0), expected)


def test_rates_become_evenly_spaced_spikes(model):
    rates = np.array([[0.0, 0.25, 0.5, 1.0, 1.7]])
    spikes = np.array([[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 1], [1, 1, 1, 1], [1, 1, 1, 1]]).T[None]
    expected = model.latent_decoder.predict(spikes.astype("float32"), verbose=0)
    np.testing.assert_allclose(model.from_rates(rates), expected, atol=1e-6)


@pytest.mark.parametrize("rate_noise", [0.0, 0.2])
def test_completes_by_what_the_prior_expects(rate_noise, model, x):
    mask = np.arange(8)[:, None, None] < 4
    guess = np.where(mask, x, 0)
    prior = [ops.convert_to_numpy(kept) for kept in (model.prior_weight, model.prior_mean, model.prior_factor)]
    for _ in range(3):
        rates = model.latent_rates(guess)
        rates = gaussian_mixture.posterior_mean(rates, rate_noise, *prior) if rate_noise else rates
        guess = np.where(mask, x, np.clip(model.from_rates(rates), 0, 1))
    hidden = np.where(mask, x, np.nan).astype("float32")  # counts for nothing
    completed = model.complete(hidden, mask, iterations=3, rate_noise=rate_noise)
    np.testing.assert_allclose(completed, guess, atol=1e-6)


def test_completes_without_a_prior(x):
    model = pairs.autoencoder()
    np.testing.assert_array_equal(model.complete(x, x > 0.5), model.complete(x, x > 0.5, rate_noise=0.0))


def test_interpolates_between_latent_rates(model, x):
    made = model.interpolate(x[:2], x[2:4], steps=3)
    assert made.shape == (2, 3, 8, 4, 2)
    start, end = model.latent_rates(x[:2]), model.latent_rates(x[2:4])
    for i, rates in enumerate([start, (start + end) / 2, end]):
        np.testing.assert_allclose(made[:, i], model.from_rates(rates), atol=1e-6)


def test_saves_the_prior_too(model, x, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.generate(5, seed=0), model.generate(5, seed=0))
    np.testing.assert_array_equal(loaded.reconstruct(x), model.reconstruct(x))
    assert (loaded.latent, loaded.concepts, loaded.following) == ("latent", 3, 100.0)
    fresh = pairs.autoencoder()
    model.save_weights(tmp_path / "model.weights.h5")
    fresh.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(fresh.generate(5, seed=0), model.generate(5, seed=0))


@pytest.mark.parametrize(
    ("sizes", "jit_compile"),
    [({}, False), ({"units": (6,)}, True), ({"layer_loss": keras_bsd.losses.FrequencyReCo()}, False)],
    ids=["conv", "dense", "bands"],
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
def test_the_stage_farther_from_its_data_follows_the_nearer(position):
    model = pairs.autoencoder(rate_matching_weight=30.0)
    rates, teacher = np.random.default_rng(0).random((2, 4, 3, 2)).astype("float32")
    similarity = ops.eye(4), ops.zeros((4, 4))

    def following(rates, teacher):
        whole, _ = model._compare(position, rates, teacher, *similarity)
        return ops.sum(whole - model.layer_loss.compare(rates, teacher, *similarity)[0])

    apart = 0 if position == 2 else 30 * np.square(rates - teacher).mean(axis=(1, 2)).sum()
    assert float(following(*map(ops.convert_to_tensor, (rates, teacher)))) == pytest.approx(
        apart, rel=1e-4, abs=1e-4
    )
    by_rates, by_teacher = (np.abs(g).max() > 1e-3 for g in gradients(following, [rates, teacher]))
    assert (by_rates, by_teacher) == (position > 2, position < 2)


def test_latent_must_be_a_row_of_neurons():
    model = pairs.autoencoder()
    networks = model.encoder, model.decoder
    with pytest.raises(ValueError, match=r"in one row.*Received: stage 'down_1' of shape \(4, 2, 3\)"):
        keras_bsd.BSDAutoencoder(*networks, latent="down_1")
    with pytest.raises(ValueError, match="Unknown `latent`: choose one of 'down_1', 'down_2', 'latent'"):
        keras_bsd.BSDAutoencoder(*networks, latent="middle")


BAD_CALLS = {
    "no stimuli": (lambda m, x: m.generate(0), "`n` must be an integer of at least 1. Received: n=0"),
    "fewer than none": (lambda m, x: m.generate(-3), "Received: n=-3"),
    "cold": (lambda m, x: m.generate(2, temperature=-0.5), "Received: temperature=-0.5"),
    "unknown concept": (lambda m, x: m.generate(2, concepts=3), "integers .* from 0 to 2. Received: .*3"),
    "negative concept": (lambda m, x: m.recall([-1]), "from 0 to 2. Received: .*-1"),
    "half a concept": (lambda m, x: m.recall([0.5]), "from 0 to 2. Received: .*0.5"),
    "too many concepts": (lambda m, x: m.generate(2, [0, 1, 2]), "one for each of n=2. Received: 3"),
    "mask of another shape": (lambda m, x: m.complete(x, np.ones((3, 5), bool)), r"Received: \(3, 5\)"),
    "mask of numbers": (lambda m, x: m.complete(x, np.ones((8, 4, 2))), "of type bool. Received: float64"),
    "all hidden": (
        lambda m, x: m.complete(x, np.arange(12)[:, None, None, None] > 1),
        "Nothing is known of 2 of 12 stimuli",
    ),
    "no iteration": (lambda m, x: m.complete(x, x > 0, iterations=0), "Received: iterations=0"),
    "negative rate_noise": (lambda m, x: m.complete(x, x > 0, rate_noise=-1.0), "`rate_noise` must be .*-1.0"),
    "too bright": (lambda m, x: m.reconstruct(255 * x), r"must lie in \[0, 1\]"),
    "not finite": (lambda m, x: m.reconstruct(np.full_like(x, np.nan)), r"must lie in \[0, 1\].*nan"),
    "unknown where known": (lambda m, x: m.complete(np.full_like(x, np.nan), x > 0), "from nan"),
    "another shape": (lambda m, x: m.latent_rates(x[:, :4]), r"Stimuli must have shape \(batch, 8, 4, 2\)"),
    "nothing": (lambda m, x: m.reconstruct(x[:0]), "There are no stimuli"),
    "a way to nowhere": (lambda m, x: m.interpolate(x[:2], x[:3]), "as many `a` as `b`. Received: 2 and 3"),
    "one step": (lambda m, x: m.interpolate(x, x, steps=1), "`steps` must be an integer of at least 2"),
    "concepts left out": (lambda m, x: m.fit_prior(x), r"at least 2. Received: 12 stimuli.*\[12, 0, 0\]"),
}


@pytest.mark.parametrize("call", BAD_CALLS)
def test_bad_calls(call, model, x):
    function, message = BAD_CALLS[call]
    with pytest.raises(ValueError, match=message):
        function(model, x)


def test_a_prior_is_needed():
    with pytest.raises(ValueError, match=r"call fit_prior\(x, y\) first"):
        pairs.autoencoder().generate(1)


def test_non_finite_pixels_change_no_weight(x):
    model = pairs.autoencoder()
    model.compile("adamw")
    before = [ops.convert_to_numpy(weight) for weight in model.weights]
    bad = x.copy()
    bad[-1, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="from nan"):
        model.fit(bad, bad, verbose=0)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), value)


def test_a_classifier_generates_nothing():
    with pytest.raises(AttributeError):
        pairs.dense_pair().generate(1)
