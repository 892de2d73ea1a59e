"""Mixtures of Gaussians, one for each concept: what is drawn from them, and what they make of a guess.

Throughout, `weight` is `(concepts, components)`, `mean` `(concepts, components, units)` and `factor`, the lower
Cholesky factors of the covariances, `(concepts, components, units, units)`.
"""

import numpy as np


def sample(concepts, temperature, generator, weight, mean, factor):
    """Vectors `(n, units)` of concepts `(n,)`, whose spread is `temperature` times that of the Gaussians."""
    n, components = len(concepts), weight.shape[1]
    noise = generator.standard_normal((n, mean.shape[-1]), dtype="float32")
    chosen = (weight.cumsum(axis=1)[concepts] < generator.random((n, 1))).sum(axis=1)
    chosen = chosen.clip(max=components - 1)  # where rounded weights sum up to less than 1
    spread = np.empty_like(noise)
    for concept, component in {*zip(concepts, chosen, strict=True)}:  # not a factor for each vector
        own = (concepts == concept) & (chosen == component)
        spread[own] = noise[own] @ factor[concept, component].T
    return mean[concepts, chosen] + temperature * spread


def posterior_mean(observed, variance, weight, mean, factor):
    """Expected vectors `(batch, units)`, given all of them with errors, all concepts being equally likely.

    Args:
        observed: `(batch, units)`.
        variance: positive float, of the error of each unit.
        weight, mean, factor: of the mixtures.
    """
    units = mean.shape[-1]
    likelihoods, expectations = [], []
    for share, centre, root in zip(
        weight.ravel(), mean.reshape(-1, units), factor.reshape(-1, units, units).astype("float64"), strict=True
    ):
        covariance = root @ root.T
        noisy = covariance + variance * np.eye(units)
        apart = observed - centre
        solved = np.linalg.solve(noisy, apart.T).T
        expectations.append(centre + solved @ covariance)
        distances = (apart * solved).sum(axis=1) + np.linalg.slogdet(noisy)[1]
        likelihoods.append(np.log(share) - distances / 2)
    likelihoods = np.stack(likelihoods)
    shares = np.exp(likelihoods - likelihoods.max(axis=0))
    return np.einsum("cb,cbu->bu", shares / shares.sum(axis=0), np.stack(expectations))
