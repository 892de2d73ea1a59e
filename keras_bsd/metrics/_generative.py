"""Distances between a set of generated samples and a set of real ones.

Precision, recall and pairwise distances need SciPy and scikit-learn: `pip install 'keras-bsd[examples]'`.
"""

import numpy as np

from keras_bsd._optional import require
from keras_bsd._types import Array


def frechet_distance(real: Array, generated: Array) -> float:
    """Return the squared Fréchet distance between Gaussians fitted to two sets of features.

    Args:
        real, generated: `(samples, features)`, at least two samples each.

    Returns:
        float, `|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2))`, in the features' units squared.

    Raises:
        ValueError: the sets have different numbers of features.

    Example:

    >>> keras_bsd.metrics.frechet_distance(np.array([[0.0], [2.0]]), np.array([[1.0], [3.0]]))
    1.0

    Source: Dowson and Landau, "The Fréchet distance between multivariate normal distributions", Journal of
    Multivariate Analysis 12(3), 1982; on features of images, Heusel et al., NeurIPS 2017.
    """
    real, generated = _features(real, generated)
    covariances = [np.atleast_2d(np.cov(features, rowvar=False)) for features in (real, generated)]
    shift = np.square(real.mean(axis=0) - generated.mean(axis=0)).sum()
    # The eigenvalues of (S S')^(1/2) are the roots of those of the symmetric S^(1/2) S' S^(1/2).
    values, vectors = np.linalg.eigh(covariances[0])
    half = vectors * np.sqrt(values.clip(0))
    both = np.linalg.eigvalsh(half.T @ covariances[1] @ half)
    traces = np.trace(covariances[0]) + np.trace(covariances[1])
    return float(shift + traces - 2 * np.sqrt(both.clip(0)).sum())


def precision_recall(real: Array, generated: Array, neighbours: int = 3) -> tuple[float, float]:
    """Return the fraction of generated samples that are like real ones, and the converse.

    A sample is like a set if its distance to a sample of the set is at most that sample's distance to its
    `neighbours`-th neighbour in the set.

    Args:
        real, generated: `(samples, features)`, more samples than `neighbours` each.
        neighbours: positive int.

    Returns:
        Two floats in [0, 1]: precision, the fraction of generated samples that are like the real set, and
        recall, the fraction of real samples that are like the generated set.

    Raises:
        ValueError: the sets have different numbers of features.

    Example:

    >>> real, generated = np.array([[0.0], [1.0], [2.0]]), np.array([[0.5], [1.5], [9.0]])
    >>> precision, recall = keras_bsd.metrics.precision_recall(real, generated, neighbours=1)
    >>> round(precision, 2), recall
    (0.67, 1.0)

    Source: Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models",
    NeurIPS 2019.
    """
    real, generated = _features(real, generated)
    return _covered(real, generated, neighbours), _covered(generated, real, neighbours)


def _covered(samples, others, neighbours):
    """Return the fraction of `others` in a ball around one of `samples`."""
    cdist = require("scipy.spatial.distance", "Precision and recall", "examples").cdist
    NearestNeighbors = require("sklearn.neighbors", "Precision and recall", "examples").NearestNeighbors
    distances, _ = NearestNeighbors(n_neighbors=neighbours).fit(samples).kneighbors()  # other samples only
    return float((cdist(others, samples) <= distances[:, -1]).any(axis=1).mean())


def mean_pairwise_distance(samples: Array) -> float:
    """Return the mean Euclidean distance between two different samples, a measure of a set's variety.

    Args:
        samples: `(samples, ...)`, at least two.

    Example:

    >>> keras_bsd.metrics.mean_pairwise_distance(np.array([[0.0], [3.0], [6.0]]))
    4.0
    """
    pdist = require("scipy.spatial.distance", "Mean pairwise distance", "examples").pdist
    return float(pdist(np.reshape(samples, (len(samples), -1))).mean())


def _features(real, generated):
    real, generated = (np.asarray(features, dtype="float64") for features in (real, generated))
    if real.ndim != 2 or real.shape[1:] != generated.shape[1:]:
        raise ValueError(
            "`real` and `generated` must be (samples, features) with the same number of features. "
            f"Received: shapes {real.shape} and {generated.shape}"
        )
    return real, generated
