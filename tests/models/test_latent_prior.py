import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bsd.models._latent_prior import LatentPrior


def prior(weight, mean, factor):
    return LatentPrior(*(keras.Variable(values, dtype="float64") for values in (weight, mean, factor)))


def test_the_posterior_mean_of_one_gaussian_lies_between_observation_and_mean():
    # Variance 4 against an error's of 1: four fifths of the distance from the mean.
    expected = prior(np.ones((1, 1)), np.full((1, 1, 1), 5.0), np.full((1, 1, 1, 1), 2.0)).posterior_mean(
        np.array([[10.0], [-5.0]]), 1.0
    )
    np.testing.assert_allclose(expected, [[9.0], [-3.0]])


def test_correlated_units_inform_each_other():
    # Covariance [[1, 1], [1, 1]]: both equal one common variable, of which each unit is an observation.
    factor = np.array([[1.0, 0.0], [1.0, 0.0]])[None, None]
    expected = prior(np.ones((1, 1)), np.zeros((1, 1, 2)), factor).posterior_mean(np.array([[3.0, 0.0]]), 1.0)
    np.testing.assert_allclose(expected, [[1.0, 1.0]])


def test_the_likelier_gaussian_has_more_weight():
    mixture = prior(np.ones((2, 1)), np.array([[[0.0]], [[4.0]]]), np.full((2, 1, 1, 1), 1.0))
    np.testing.assert_allclose(mixture.posterior_mean(np.array([[2.0]]), 1.0), [[2.0]])
    # At 3 the densities of N(0, 2) and N(4, 2) are proportional to exp(-9 / 4) and exp(-1 / 4).
    near = 1 / (1 + np.exp(-2.0))
    expected = (1 - near) * 1.5 + near * 3.5
    np.testing.assert_allclose(mixture.posterior_mean(np.array([[3.0]]), 1.0), [[expected]])


WEIGHT = np.array([[0.25, 0.75], [0.5, 0.5]])
MEAN = np.random.default_rng(0).normal(size=(2, 2, 3))


@pytest.fixture(scope="module")
def mixture():
    return prior(WEIGHT, MEAN, np.tril(np.random.default_rng(1).normal(size=(2, 2, 3, 3))))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**16))
def test_the_posterior_mean_tends_to_the_observation_or_to_the_mean(seed, mixture):
    observed = np.random.default_rng(seed).normal(size=(4, 3))
    np.testing.assert_allclose(mixture.posterior_mean(observed, 1e-9), observed, atol=1e-3)
    mean = (WEIGHT[..., None] * MEAN).sum(axis=1).mean(axis=0)
    np.testing.assert_allclose(mixture.posterior_mean(observed, 1e9), np.broadcast_to(mean, (4, 3)), atol=1e-3)


def test_samples_components_by_their_weights(mixture):
    samples = mixture.sample(np.zeros(20_000, int), 0.0, np.random.default_rng(0))
    first = np.isclose(samples, MEAN[0, 0]).all(axis=1)
    assert np.isclose(samples[~first], MEAN[0, 1]).all()
    assert first.mean() == pytest.approx(0.25, abs=0.01)


def test_mean_rates(mixture):
    np.testing.assert_allclose(mixture.mean_rates()[0], 0.25 * MEAN[0, 0] + 0.75 * MEAN[0, 1])


def test_before_the_fit():
    empty = prior(np.zeros((1, 1)), np.zeros((1, 1, 2)), np.zeros((1, 1, 2, 2)))
    assert not empty.is_fitted
    with pytest.raises(ValueError, match=r"call fit_prior\(x, y\) first"):
        empty.mean_rates()
