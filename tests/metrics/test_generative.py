import numpy as np
import pytest

from keras_bsd import metrics


def test_frechet_distance_of_known_gaussians():
    """For diagonal covariances it is the squared distance of means and of standard deviations."""
    sign = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    scale = np.sqrt(3 / 4)  # the covariance of four samples divides by three
    real = scale * sign * [1.0, 2.0] + [0.0, 1.0]
    generated = scale * sign * [3.0, 2.5] + [2.0, 1.0]
    distance = metrics.frechet_distance(real, generated)
    assert distance == pytest.approx(2**2 + (3 - 1) ** 2 + (2.5 - 2) ** 2)
    assert metrics.frechet_distance(real, real) == pytest.approx(0, abs=1e-6)


def test_precision_and_recall_by_hand():
    real = np.array([[0.0], [1.0], [2.0], [10.0]])
    generated = np.array([[0.5], [1.5], [1.6], [30.0]])
    # Balls of radius 1, 1, 1 and 8 around the real samples contain three of the generated; those of radius 1,
    # 0.1, 0.1 and 28.4 around the generated samples contain all of the real ones.
    precision, recall = metrics.precision_recall(real, generated, neighbours=1)
    assert precision == 3 / 4
    assert recall == 1
    assert metrics.precision_recall(real, real + 100, neighbours=1) == (0, 0)


def test_mean_pairwise_distance():
    assert metrics.mean_pairwise_distance(np.array([[[0.0]], [[3.0]], [[6.0]]])) == 4


@pytest.mark.parametrize("function", ["frechet_distance", "precision_recall"])
def test_features_of_different_lengths(function):
    with pytest.raises(ValueError, match=r"same number of features. Received: shapes \(5, 3\) and \(5, 4\)"):
        getattr(metrics, function)(np.ones((5, 3)), np.ones((5, 4)))


def test_frechet_distance_of_correlated_gaussians():
    generator = np.random.default_rng(0)
    real = generator.normal(size=(50, 5)) @ generator.normal(size=(5, 5))
    generated = generator.normal(size=(40, 5)) @ generator.normal(size=(5, 5)) + 1
    mixed = [np.cov(features, rowvar=False) for features in (real, generated)]
    roots = np.linalg.eigvals(
        mixed[0] @ mixed[1]
    ).real  # eigenvalues of a product of two such matrices are non-negative
    shift = np.square(real.mean(axis=0) - generated.mean(axis=0)).sum()
    expected = shift + np.trace(mixed[0]) + np.trace(mixed[1]) - 2 * np.sqrt(roots.clip(0)).sum()
    assert metrics.frechet_distance(real, generated) == pytest.approx(expected)
