"""Pairs that reconstruct, recall, imagine and complete stimuli."""

import types

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks
from keras_bsd._optional import require
from keras_bsd.encoding import RegularEncoder
from keras_bsd.losses._similarity_matching import SimilarityMatching
from keras_bsd.models import _gaussian_mixture as gaussian_mixture
from keras_bsd.models._pair import BSDModel


@keras.saving.register_keras_serializable("keras_bsd")
class BSDAutoencoder(BSDModel):
    """A spiking autoencoder trained by bidirectional spike-based distillation.

    The feedforward network, the `encoder` of `BSDModel`, runs from a stimulus by way of few latent
    neurons to the stimulus again; the backward network, its `decoder`, runs through the same shapes in
    reverse order, from the target. Train it by `fit(x, x)`, or by `fit(hidden, x)`, with parts of each
    stimulus hidden, for a model that is to complete them.

    What is learned where: all pairs of stages learn from `layer_loss`; and of two that are paired, the one
    with more stages between it and its data, stimulus or target, learns to follow the rates of the
    other, neuron by neuron. In convolutions this ties rates to places, which similarity alone does not.

    What the latent neurons say of a stimulus is their firing rates. `fit_prior` describes by a mixture of
    Gaussians what rates the stimuli of each concept have; `recall` and `generate` draw rates from it, turn
    them into evenly spaced spikes, and let the upper half of the feedforward network make stimuli of these.

    Args:
        encoder: built Keras model of stages one behind the other, stimulus to stimulus `(batch, ...)`.
        decoder: built Keras model whose stages mirror the encoder's, target to stimulus.
        latent: name of the encoder's stage, of neurons in one row, whose spikes are the latent ones.
        concepts: positive int, how many kinds of stimuli the prior tells apart.
        components: positive int, Gaussians in the mixture of each concept.
        layer_loss: between paired stages (default: `keras_bsd.losses.SimilarityMatching()`).
        rate_matching_weight: non-negative float, the weight of the mean squared difference of rates by which the
            farther stage follows the nearer.
        **kwargs: further arguments of `BSDModel`.

    Raises:
        ValueError: an argument is out of range, or there is no such stage.

    Source: Lv et al., "Biologically Plausible Learning via Bidirectional Spike-Based Distillation",
    arXiv 2509.20284, for the pairing.
    """

    _renamed_keys = {**BSDModel._renamed_keys, "following": "rate_matching_weight"}

    def __init__(
        self,
        encoder,
        decoder,
        latent,
        concepts=1,
        components=1,
        layer_loss=None,
        rate_matching_weight=100.0,
        **kwargs,
    ):
        self.latent = latent
        self.concepts = _checks.integer("concepts", concepts, low=1)
        self.components = _checks.integer("components", components, low=1)
        self.rate_matching_weight = _checks.real("rate_matching_weight", rate_matching_weight, low=0.0)
        layer_loss = SimilarityMatching() if layer_loss is None else layer_loss
        super().__init__(encoder, decoder, layer_loss=layer_loss, **{"task": "regression", **kwargs})

    def build(self, input_shape):
        stages = {stage.name: stage for stage in self.encoder_stages}
        stage = stages[_checks.one_of("latent", self.latent, tuple(stages))]
        if len(stage.output_features) != 1:
            raise ValueError(
                "The latent neurons must be in one row, as those of SpikingDense are. "
                f"Received: stage {self.latent!r} of shape {stage.output_features}"
            )
        (units,) = stage.output_features
        shapes = {"prior_weight": (), "prior_mean": (units,), "prior_factor": (units, units)}
        mixture = (self.concepts, self.components)
        self.prior_weight, self.prior_mean, self.prior_factor = (
            self.add_weight((*mixture, *shape), "zeros", "float32", trainable=False, name=name)
            for name, shape in shapes.items()
        )
        # Not an attribute that Keras would look into: the two share the encoder's layers.
        layers = self.encoder.layers
        above = layers.index(stage) + 1
        stimulus, spikes = keras.Input(self.encoder.input_shape[1:]), keras.Input(stage.output.shape[1:])
        self._halves = types.SimpleNamespace(
            latent_encoder=keras.Sequential([stimulus, *layers[:above]], name="latent_encoder"),
            latent_decoder=keras.Sequential([spikes, *layers[above:]], name="latent_decoder"),
        )
        super().build(input_shape)

    def _compare(self, i, rates, teacher, pairing):
        losses, affinity = super()._compare(i, rates, teacher, pairing)
        mirrored = len(self.encoder_stages) - 1 - i
        if i == mirrored:
            return losses, affinity
        nearer, farther = (rates, teacher) if i < mirrored else (teacher, rates)
        apart = ops.square(farther - ops.stop_gradient(nearer))
        return losses + self.rate_matching_weight * ops.mean(
            apart, axis=tuple(range(1, len(apart.shape)))
        ), affinity

    @property
    def latent_encoder(self):
        """The lower half: stimuli `(batch, ...)` to latent spikes `(batch, time, latent)`."""
        return self._halves.latent_encoder

    @property
    def latent_decoder(self):
        """The upper half: latent spikes `(batch, time, latent)` to stimuli `(batch, ...)`."""
        return self._halves.latent_decoder

    def reconstruct(self, x, batch_size=32):
        """What the model makes of stimuli, `(batch, ...)`, a NumPy array.

        Args:
            x: stimuli `(batch, ...)`.
            batch_size: int.

        Raises:
            ValueError: stimuli of another shape, or out of the model's range.
        """
        return self.predict(self._stimuli("x", x), batch_size=batch_size, verbose=0)

    def latent_rates(self, x, batch_size=32):
        """Firing rates of the latent neurons, `(batch, latent)` in [0, 1], a NumPy array.

        Args:
            x: stimuli `(batch, ...)`.
            batch_size: int.
        """
        spikes = self.latent_encoder.predict(self._stimuli("x", x), batch_size=batch_size, verbose=0)
        return spikes.astype("float32").mean(axis=1)

    def from_rates(self, rates, batch_size=32):
        """Stimuli `(batch, ...)` that the upper half makes of latent firing rates, a NumPy array.

        Args:
            rates: `(batch, latent)`; what lies outside [0, 1] is clipped.
            batch_size: int.
        """
        spikes = RegularEncoder(self.latent_decoder.input_shape[1])(np.clip(rates, 0, 1).astype("float32"))
        return self.latent_decoder.predict(ops.convert_to_numpy(spikes), batch_size=batch_size, verbose=0)

    def fit_prior(self, x, y=None, batch_size=32, seed=0):
        """Describe by a mixture of Gaussians what latent firing rates the stimuli of each concept have.

        Needs scikit-learn: `pip install keras_bsd[examples]`.

        Args:
            x: stimuli `(batch, ...)`, at least two of each concept for each component.
            y: the concept of each, ints `(batch,)`; not needed where the model has but one.
            batch_size: int.
            seed: int, of where the fit of several components begins.

        Raises:
            ValueError: a concept is out of range, or has too few stimuli.
        """
        GaussianMixture = require("sklearn.mixture", "Fitting the prior", "examples").GaussianMixture
        y = np.zeros(len(x), "int64") if y is None else self._concepts(y)
        counts = np.bincount(y, minlength=self.concepts)
        fewest = 2 * self.components
        if len(y) != len(x) or counts.min() < fewest:
            raise ValueError(
                f"`y` must give the concept, from 0 to {self.concepts - 1}, of each stimulus, and each concept "
                f"needs at least {fewest}. Received: {len(x)} stimuli, by concept {counts.tolist()}"
            )
        rates = self.latent_rates(x, batch_size).astype("float64")
        fits = [
            GaussianMixture(self.components, tol=1e-2, reg_covar=1e-5, random_state=seed).fit(
                rates[y == concept]
            )
            for concept in range(self.concepts)
        ]
        self.prior_weight.assign(np.stack([fit.weights_ for fit in fits]))
        self.prior_mean.assign(np.stack([fit.means_ for fit in fits]))
        self.prior_factor.assign(np.stack([np.linalg.cholesky(fit.covariances_) for fit in fits]))

    def recall(self, concepts, batch_size=32):
        """The typical stimulus of each concept: what the model makes of its mean latent rates.

        Args:
            concepts: ints `(batch,)`.
            batch_size: int.

        Returns:
            NumPy array of stimuli `(batch, ...)`.

        Raises:
            ValueError: a concept is out of range, or no prior has been fitted.
        """
        weight, mean, _ = self._prior()
        typical = (weight[..., None] * mean).sum(axis=1)
        return self.from_rates(typical[self._concepts(concepts)], batch_size)

    def generate(self, n, concepts=None, seed=None, temperature=1.0, batch_size=32):
        """New stimuli.

        Args:
            n: positive int, how many.
            concepts: the concept of each, ints `(n,)`, or one int for all (default: drawn evenly).
            seed: int for reproducible stimuli.
            temperature: non-negative float that the spread of the prior's Gaussians is multiplied by: 0
                gives what is typical of each, 1 as much variety as the stimuli have that the prior was
                fitted to.
            batch_size: int.

        Returns:
            NumPy array of stimuli `(n, ...)`.

        Raises:
            ValueError: an argument is out of range, or no prior has been fitted.

        Example:

        >>> model.fit_prior(x, y)
        >>> sevens = model.generate(16, concepts=7, seed=0)
        """
        _checks.integer("n", n, low=1)
        temperature = _checks.real("temperature", temperature, low=0.0)
        self._prior()  # or an error
        generator = np.random.default_rng(seed)
        if concepts is None:
            concepts = generator.integers(self.concepts, size=n)
        concepts = self._concepts(np.full(n, concepts) if np.ndim(concepts) == 0 else concepts)
        if len(concepts) != n:
            raise ValueError(f"Give one concept, or one for each of n={n}. Received: {len(concepts)}")
        rates = gaussian_mixture.sample(concepts, temperature, generator, *self._prior())
        return self.from_rates(rates, batch_size)

    def complete(self, x, mask, iterations=4, rate_noise=0.05, batch_size=32):
        """Stimuli of which parts are known, completed.

        The lower half of the feedforward network says what latent rates the known part has; from these and
        the prior, each concept being as likely as any other, follow the rates to be expected of the whole; and
        what the upper half makes of them takes the place of what is unknown. Every further iteration begins
        with the stimulus that the one before has completed.

        Args:
            x: stimuli `(batch, ...)`; what lies under the mask counts for nothing.
            mask: true where the stimulus is known, bool, of the shape of `x` or of one that NumPy
                broadcasts to it, such as `(height, width, 1)`.
            iterations: positive int, how often that is done.
            rate_noise: non-negative float, the variance of the error that the latent rates of what is
                incomplete are taken to have. At 0, or where no prior has been fitted, they stay as they are.
            batch_size: int.

        Returns:
            NumPy array `(batch, ...)`; what was known is as it was.

        Raises:
            ValueError: the mask does not fit, or hides a stimulus wholly, or an argument is out of range.
        """
        _checks.integer("iterations", iterations, low=1)
        rate_noise = _checks.real("rate_noise", rate_noise, low=0.0)
        x = np.array(x, dtype="float32")
        mask = self._mask(mask, x.shape)
        low, high = self.stimulus_range or (-np.inf, np.inf)
        guess = np.where(mask, x, max(low, min(0.0, high)))
        for _ in range(iterations):
            rates = self.latent_rates(guess, batch_size)
            if rate_noise and self._has_prior():
                rates = gaussian_mixture.posterior_mean(rates, rate_noise, *self._prior())
            guess = np.where(mask, x, np.clip(self.from_rates(rates, batch_size), low, high))
        return guess

    def interpolate(self, a, b, steps=8, batch_size=32):
        """Stimuli on the way from one to another, evenly spaced in latent firing rates.

        Args:
            a, b: stimuli `(batch, ...)`.
            steps: int, at least 2, both ends included.
            batch_size: int.

        Returns:
            NumPy array `(batch, steps, ...)`.

        Raises:
            ValueError: there are not as many `a` as `b`.
        """
        a, b = self._stimuli("a", a), self._stimuli("b", b)
        if len(a) != len(b):
            raise ValueError(f"Give as many `a` as `b`. Received: {len(a)} and {len(b)}")
        part = np.linspace(0, 1, _checks.integer("steps", steps, low=2))[:, None]
        start, end = (self.latent_rates(x, batch_size)[:, None] for x in (a, b))
        rates = (1 - part) * start + part * end
        made = self.from_rates(rates.reshape(-1, rates.shape[-1]), batch_size)
        return made.reshape(len(a), steps, *made.shape[1:])

    def _has_prior(self):
        return bool(ops.any(self.prior_weight != 0))

    def _prior(self):
        """Weights, means and factors of the prior's Gaussians, arrays `(concepts, components, ...)`."""
        if not self._has_prior():
            raise ValueError("The model knows of no concept yet: call fit_prior(x, y) first.")
        kept = (self.prior_weight, self.prior_mean, self.prior_factor)
        return [ops.convert_to_numpy(variable) for variable in kept]

    def _stimuli(self, name, x):
        x = np.asarray(x, dtype="float32")
        if not len(x):
            raise ValueError(f"There are no stimuli. Received: `{name}` of length 0")
        self._guard.check_arrays(x)
        return x

    def _concepts(self, concepts):
        concepts = np.asarray(concepts)
        whole = concepts.ndim == 1 and concepts.size and concepts.dtype.kind in "ui"
        if not whole or concepts.min() < 0 or concepts.max() >= self.concepts:
            raise ValueError(
                f"Concepts must be integers (batch,) from 0 to {self.concepts - 1}. "
                f"Received: shape={concepts.shape}, {concepts.tolist()[:10] if concepts.ndim else concepts}"
            )
        return concepts.astype("int64")

    def _mask(self, mask, shape):
        mask = np.asarray(mask)
        try:
            mask = np.broadcast_to(mask, shape)
        except ValueError as error:
            raise ValueError(
                f"`mask` must be of the stimuli's shape {shape}, or broadcast to it. Received: {mask.shape}"
            ) from error
        if mask.dtype != bool:
            raise ValueError(f"`mask` must be of type bool. Received: {mask.dtype}")
        hidden = ~mask.reshape(len(mask), -1).any(axis=1)
        if hidden.any():
            raise ValueError(
                f"Nothing is known of {np.count_nonzero(hidden)} of {len(mask)} stimuli: the mask hides them "
                "wholly. Show a part of each, or call `generate`."
            )
        return mask

    def get_config(self):
        return {
            **super().get_config(),
            "latent": self.latent,
            "concepts": self.concepts,
            "components": self.components,
            "rate_matching_weight": self.rate_matching_weight,
        }
