import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bsd.models import _gaussian_mixture as gaussian_mixture


def test_one_gaussian_draws_towards_its_mean():
    # Variance 4 against an error's of 1: four fifths of the way from the mean is believed.
    found = gaussian_mixture.posterior_mean(
        np.array([[10.0], [-5.0]]), 1.0, np.ones((1, 1)), np.full((1, 1, 1), 5.0), np.full((1, 1, 1, 1), 2.0)
    )
    np.testing.assert_allclose(found, [[9.0], [-3.0]])


def test_units_that_go_together_tell_of_each_other():
    # Covariance [[1, 1], [1, 1]]: both are their common part, of which either unit is an observation.
    factor = np.array([[1.0, 0.0], [1.0, 0.0]])[None, None]
    found = gaussian_mixture.posterior_mean(
        np.array([[3.0, 0.0]]), 1.0, np.ones((1, 1)), np.zeros((1, 1, 2)), factor
    )
    np.testing.assert_allclose(found, [[1.0, 1.0]])


def test_the_likelier_gaussian_counts_the_more():
    mean = np.array([[[0.0]], [[4.0]]])
    args = np.ones((2, 1)), mean, np.full((2, 1, 1, 1), 1.0)
    np.testing.assert_allclose(gaussian_mixture.posterior_mean(np.array([[2.0]]), 1.0, *args), [[2.0]])
    # At 3 the densities of N(0, 2) and N(4, 2) are as exp(-9 / 4) and exp(-1 / 4).
    near = 1 / (1 + np.exp(-2.0))
    expected = (1 - near) * 1.5 + near * 3.5
    np.testing.assert_allclose(gaussian_mixture.posterior_mean(np.array([[3.0]]), 1.0, *args), [[expected]])


@pytest.fixture(scope="module")
def mixture():
    generator = np.random.default_rng(0)
    weight = np.array([[0.25, 0.75], [0.5, 0.5]])
    return weight, generator.normal(size=(2, 2, 3)), np.tril(generator.normal(size=(2, 2, 3, 3)))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**16))
def test_between_what_is_observed_and_what_is_likely(seed, mixture):
    observed = np.random.default_rng(seed).normal(size=(4, 3))
    trusted = gaussian_mixture.posterior_mean(observed, 1e-9, *mixture)
    np.testing.assert_allclose(trusted, observed, atol=1e-3)
    doubted = gaussian_mixture.posterior_mean(observed, 1e9, *mixture)
    typical = (mixture[0][..., None] * mixture[1]).sum(axis=1).mean(axis=0)
    np.testing.assert_allclose(doubted, np.broadcast_to(typical, (4, 3)), atol=1e-3)


def test_draws_components_by_their_weights(mixture):
    generator = np.random.default_rng(0)
    drawn = gaussian_mixture.sample(np.zeros(20_000, int), 0.0, generator, *mixture)
    first = np.isclose(drawn, mixture[1][0, 0]).all(axis=1)
    assert np.isclose(drawn[~first], mixture[1][0, 1]).all()
    assert first.mean() == pytest.approx(0.25, abs=0.01)
