"""The prior of an autoencoder: mixtures of Gaussians of its latent firing rates, one mixture per concept."""

import numpy as np
from keras import ops

from keras_bsd._optional import require


class LatentPrior:
    """Mixture of Gaussians of the latent firing rates of each concept.

    The variables belong to the model, which saves them. Until `fit` they are zeros.

    Args:
        weight: variable `(concepts, components)`.
        mean: variable `(concepts, components, units)`.
        factor: variable `(concepts, components, units, units)`, the lower Cholesky factors of the covariances.
    """

    def __init__(self, weight, mean, factor):
        self._variables = weight, mean, factor
        self.concepts, self.components = weight.shape

    @property
    def is_fitted(self):
        return bool(ops.any(self._variables[0] != 0))

    def arrays(self):
        """Return weights, means and factors as NumPy arrays, or raise before `fit`."""
        if not self.is_fitted:
            raise ValueError("The model has no prior of its concepts: call fit_prior(x, y) first.")
        return [ops.convert_to_numpy(variable) for variable in self._variables]

    def check_concepts(self, concepts) -> np.ndarray:
        """Return `concepts` as an array of ints `(batch,)`, or raise unless they are integers in range."""
        concepts = np.asarray(concepts)
        integers = concepts.ndim == 1 and concepts.size and concepts.dtype.kind in "ui"
        if not integers or concepts.min() < 0 or concepts.max() >= self.concepts:
            raise ValueError(
                f"Concepts must be integers (batch,) from 0 to {self.concepts - 1}. "
                f"Received: shape={concepts.shape}, {concepts.tolist()[:10] if concepts.ndim else concepts}"
            )
        return concepts.astype("int64")

    def check_counts(self, stimuli, concepts):
        """Raise unless there is a concept for each of this number of stimuli, and each has enough of them."""
        counts = np.bincount(concepts, minlength=self.concepts)
        fewest = 2 * self.components
        if len(concepts) != stimuli or counts.min() < fewest:
            raise ValueError(
                f"`y` must be the concept, from 0 to {self.concepts - 1}, of each stimulus, and each concept "
                f"needs at least {fewest}. Received: {stimuli} stimuli, by concept {counts.tolist()}"
            )

    def fit(self, rates, concepts, seed):
        """Fit a mixture to the rates `(batch, units)` of each concept; `concepts` are ints `(batch,)`."""
        mixture = require("sklearn.mixture", "Fitting the prior", "examples").GaussianMixture
        fits = [
            mixture(self.components, tol=1e-2, reg_covar=1e-5, random_state=seed).fit(
                rates[concepts == concept]
            )
            for concept in range(self.concepts)
        ]
        weight, mean, factor = self._variables
        weight.assign(np.stack([fit.weights_ for fit in fits]))
        mean.assign(np.stack([fit.means_ for fit in fits]))
        factor.assign(np.stack([np.linalg.cholesky(fit.covariances_) for fit in fits]))

    def mean_rates(self):
        """Return the mean rates of each concept, `(concepts, units)`."""
        weight, mean, _ = self.arrays()
        return (weight[..., None] * mean).sum(axis=1)

    def sample(self, concepts, temperature, generator):
        """Return random rates `(n, units)` for concepts `(n,)`.

        Args:
            concepts: ints `(n,)`.
            temperature: factor of the Gaussians' standard deviations.
            generator: NumPy random generator.
        """
        weight, mean, factor = self.arrays()
        n, components = len(concepts), weight.shape[1]
        noise = generator.standard_normal((n, mean.shape[-1]), dtype="float32")
        chosen = (weight.cumsum(axis=1)[concepts] < generator.random((n, 1))).sum(axis=1)
        chosen = chosen.clip(max=components - 1)  # where rounded weights sum up to less than 1
        deviations = np.empty_like(noise)
        for concept, component in {*zip(concepts, chosen, strict=True)}:  # instead of a factor for each sample
            rows = (concepts == concept) & (chosen == component)
            deviations[rows] = noise[rows] @ factor[concept, component].T
        return mean[concepts, chosen] + temperature * deviations

    def posterior_mean(self, observed, variance):
        """Return the expected rates `(batch, units)`, given observations of them with Gaussian errors.

        All concepts are equally likely beforehand.

        Args:
            observed: `(batch, units)`.
            variance: positive float, of the error of each unit.
        """
        weight, mean, factor = self.arrays()
        units = mean.shape[-1]
        factor = factor.reshape(-1, units, units).astype("float64")
        log_likelihoods, expectations = [], []
        for share, centre, root in zip(weight.ravel(), mean.reshape(-1, units), factor, strict=True):
            covariance = root @ root.T
            noisy = covariance + variance * np.eye(units)
            difference = observed - centre
            solved = np.linalg.solve(noisy, difference.T).T
            expectations.append(centre + solved @ covariance)
            distances = (difference * solved).sum(axis=1) + np.linalg.slogdet(noisy)[1]
            log_likelihoods.append(np.log(share) - distances / 2)
        likelihoods = np.exp(np.stack(log_likelihoods) - np.max(log_likelihoods, axis=0))
        return np.einsum("cb,cbu->bu", likelihoods / likelihoods.sum(axis=0), np.stack(expectations))
