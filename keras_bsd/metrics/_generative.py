"""How near a set of generated samples is to a set of real ones.

Needs SciPy and scikit-learn: `pip install keras_bsd[examples]`.
"""

import numpy as np

from keras_bsd._optional import require


def frechet_distance(real, generated):
    """Squared Fréchet distance between the Gaussians that fit two sets of features.

    Args:
        real, generated: `(samples, features)`, at least two samples each.

    Returns:
        float, `|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2))`, in the features' units squared.

    Raises:
        ValueError: the sets differ in their number of features.

    Example:

    >>> keras_bsd.metrics.frechet_distance(np.array([[0.0], [2.0]]), np.array([[1.0], [3.0]]))
    1.0

    Source: Dowson and Landau, "The Fréchet distance between multivariate normal distributions", Journal of
    Multivariate Analysis 12(3), 1982; on features of images, Heusel et al., NeurIPS 2017.
    """
    real, generated = _features(real, generated)
    covariances = [np.atleast_2d(np.cov(features, rowvar=False)) for features in (real, generated)]
    shift = np.square(real.mean(axis=0) - generated.mean(axis=0)).sum()
    # The root of the product has the eigenvalues' roots of S^(1/2) S' S^(1/2), which is symmetric.
    values, vectors = np.linalg.eigh(covariances[0])
    half = vectors * np.sqrt(values.clip(0))
    both = np.linalg.eigvalsh(half.T @ covariances[1] @ half)
    traces = np.trace(covariances[0]) + np.trace(covariances[1])
    return float(shift + traces - 2 * np.sqrt(both.clip(0)).sum())


def precision_recall(real, generated, neighbours=3):
    """How much of what is generated looks real, and how much of what is real is generated.

    A sample counts as like a set if it lies no farther from one of the set's samples than that one's
    `neighbours`-th neighbour in the set.

    Args:
        real, generated: `(samples, features)`, more samples than `neighbours` each.
        neighbours: positive int.

    Returns:
        Two floats in [0, 1]: the part of the generated samples that are like the real ones, and of the
        real ones that are like the generated.

    Raises:
        ValueError: the sets differ in their number of features.

    Source: Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models",
    NeurIPS 2019.
    """
    real, generated = _features(real, generated)
    return _covered(real, generated, neighbours), _covered(generated, real, neighbours)


def _covered(samples, others, neighbours):
    """The part of `others` that lie in a ball around one of `samples`."""
    cdist = require("scipy.spatial.distance", "Precision and recall", "examples").cdist
    NearestNeighbors = require("sklearn.neighbors", "Precision and recall", "examples").NearestNeighbors
    distances, _ = NearestNeighbors(n_neighbors=neighbours).fit(samples).kneighbors()  # others than itself
    return float((cdist(others, samples) <= distances[:, -1]).any(axis=1).mean())


def mean_pairwise_distance(samples):
    """Mean Euclidean distance between two different samples, a float: how various a set is.

    Args:
        samples: `(samples, ...)`, at least two.
    """
    pdist = require("scipy.spatial.distance", "Mean pairwise distance", "examples").pdist
    return float(pdist(np.reshape(samples, (len(samples), -1))).mean())


def _features(real, generated):
    real, generated = (np.asarray(features, dtype="float64") for features in (real, generated))
    if real.ndim != 2 or real.shape[1:] != generated.shape[1:]:
        raise ValueError(
            "`real` and `generated` must be (samples, features) of as many features. "
            f"Received: shapes {real.shape} and {generated.shape}"
        )
    return real, generated
