"""Pairs that reconstruct, recall, generate and complete stimuli."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Array, ArrayLike, Config, Model, Shape
from keras_bsd.encoding import RegularEncoder
from keras_bsd.losses._layer_loss import LayerLoss
from keras_bsd.losses._similarity_matching import SimilarityMatching
from keras_bsd.models._data_checks import check_mask
from keras_bsd.models._latent_prior import LatentPrior
from keras_bsd.models._pair import BSDModel
from keras_bsd.models._structure import split_after


@keras.saving.register_keras_serializable("keras_bsd")
class BSDAutoencoder(BSDModel):
    """A spiking autoencoder trained by bidirectional spike-based distillation.

    The feedforward network, the `encoder` of `BSDModel`, maps a stimulus through a few latent neurons back to
    the stimulus; the backward network, its `decoder`, runs from the target through the same shapes in reverse
    order. Train it by `fit(x, x)`, or for completion by `fit(hidden, x)`, with a region of each stimulus
    hidden.

    All pairs of stages learn from `layer_loss`. In addition, the stage of a pair that is more stages away from
    its network's input, stimulus or target, learns to match the rates of the other stage, neuron by neuron. In
    convolutions this ties rates to positions, which similarity alone does not.

    The latent representation of a stimulus is the firing rates of the latent neurons. `fit_prior` fits a
    mixture of Gaussians to the latent rates of each concept; `recall` and `generate` take rates from it, encode
    them as evenly spaced spikes, and decode these by the upper half of the feedforward network.

    Args:
        encoder: built Keras model of stages in one chain, from stimuli to stimuli `(batch, ...)`.
        decoder: built Keras model whose stages mirror the encoder's, from targets to stimuli.
        latent: name of the encoder's stage of latent neurons, which must have shape `(units,)`.
        concepts: positive int, the number of concepts of the prior.
        components: positive int, the number of Gaussians in the mixture of each concept.
        layer_loss: see `BSDModel` (default: `keras_bsd.losses.SimilarityMatching()`).
        rate_matching_weight: non-negative float, the weight of the mean squared difference between the rates of
            a pair of stages.
        **kwargs: further arguments of `BSDModel`.

    Raises:
        ValueError: an argument is out of range, or there is no such stage.

    Example:

    >>> model = keras_bsd.applications.SpikingAutoencoder((8, 8, 1), latent_units=6, units=(12,))
    >>> x = np.random.default_rng(0).random((4, 8, 8, 1)).astype("float32")
    >>> model.latent_rates(x).shape
    (4, 6)

    Source: Lv et al., "Biologically Plausible Learning via Bidirectional Spike-Based Distillation",
    arXiv 2509.20284, for the pairing.
    """

    _renamed_keys = {**BSDModel._renamed_keys, "following": "rate_matching_weight"}

    def __init__(
        self,
        encoder: Model,
        decoder: Model,
        latent: str,
        concepts: int = 1,
        components: int = 1,
        layer_loss: LayerLoss | str | None = None,
        rate_matching_weight: float = 100.0,
        **kwargs: Any,
    ) -> None:
        self.latent = latent
        self.concepts = _checks.integer("concepts", concepts, low=1)
        self.components = _checks.integer("components", components, low=1)
        self.rate_matching_weight = _checks.real("rate_matching_weight", rate_matching_weight, low=0.0)
        layer_loss = SimilarityMatching() if layer_loss is None else layer_loss
        super().__init__(encoder, decoder, layer_loss=layer_loss, **{"task": "regression", **kwargs})

    def build(self, input_shape: Shape) -> None:
        stages = dict(zip(self._stage_names, self.encoder_stages, strict=True))
        stage = stages[_checks.one_of("latent", self.latent, tuple(stages))]
        if len(stage.output_features) != 1:
            raise ValueError(
                "The latent stage must have neurons of shape (units,), as SpikingDense has. "
                f"Received: stage {self.latent!r} of shape {stage.output_features}"
            )
        (units,) = stage.output_features
        shapes = {"prior_weight": (), "prior_mean": (units,), "prior_factor": (units, units)}
        mixture = (self.concepts, self.components)
        self.prior_weight, self.prior_mean, self.prior_factor = (
            self.add_weight((*mixture, *shape), "zeros", "float32", trainable=False, name=name)
            for name, shape in shapes.items()
        )
        self._prior = LatentPrior(self.prior_weight, self.prior_mean, self.prior_factor)
        self._halves = split_after(self.encoder, stage)
        super().build(input_shape)

    def _compare(self, i, rates, teacher, pairing):
        losses, affinity = super()._compare(i, rates, teacher, pairing)
        mirrored = len(self.encoder_stages) - 1 - i
        if i == mirrored:
            return losses, affinity
        nearer, farther = (rates, teacher) if i < mirrored else (teacher, rates)
        errors = ops.square(farther - ops.stop_gradient(nearer))
        errors = ops.mean(errors, axis=tuple(range(1, len(errors.shape))))
        return losses + self.rate_matching_weight * errors, affinity

    @property
    def latent_encoder(self) -> Model:
        """The lower half: stimuli `(batch, ...)` to latent spikes `(batch, time, latent)`."""
        return self._halves.latent_encoder

    @property
    def latent_decoder(self) -> Model:
        """The upper half: latent spikes `(batch, time, latent)` to stimuli `(batch, ...)`."""
        return self._halves.latent_decoder

    def reconstruct(self, x: ArrayLike, batch_size: int = 32) -> Array:
        """Return the reconstructions of stimuli, a NumPy array `(batch, ...)`.

        Args:
            x: stimuli `(batch, ...)`.
            batch_size: positive int.

        Raises:
            ValueError: stimuli have another shape, or are out of the model's range.
        """
        return self.predict(self._stimuli("x", x), batch_size=batch_size, verbose=0)

    def latent_rates(self, x: ArrayLike, batch_size: int = 32) -> Array:
        """Return the firing rates of the latent neurons, a NumPy array `(batch, latent)` in [0, 1].

        Args:
            x: stimuli `(batch, ...)`.
            batch_size: positive int.
        """
        spikes = self.latent_encoder.predict(self._stimuli("x", x), batch_size=batch_size, verbose=0)
        return spikes.astype("float32").mean(axis=1)

    def from_rates(self, rates: ArrayLike, batch_size: int = 32) -> Array:
        """Return the stimuli decoded from latent firing rates, a NumPy array `(batch, ...)`.

        Args:
            rates: `(batch, latent)`; values outside [0, 1] are clipped.
            batch_size: positive int.
        """
        spikes = RegularEncoder(self.latent_decoder.input_shape[1])(np.clip(rates, 0, 1).astype("float32"))
        return self.latent_decoder.predict(ops.convert_to_numpy(spikes), batch_size=batch_size, verbose=0)

    def fit_prior(
        self, x: ArrayLike, y: ArrayLike | None = None, batch_size: int = 32, seed: int | None = 0
    ) -> None:
        """Fit a mixture of Gaussians to the latent firing rates of each concept.

        Needs scikit-learn: `pip install 'keras-bsd[examples]'`.

        Args:
            x: stimuli `(batch, ...)`, at least two of each concept for each component.
            y: their concepts, ints `(batch,)`; optional if the model has one concept.
            batch_size: positive int.
            seed: int, for the initial values of several components.

        Raises:
            ValueError: a concept is out of range, or has too few stimuli.
        """
        x = self._stimuli("x", x)
        concepts = np.zeros(len(x), "int64") if y is None else self._prior.check_concepts(y)
        self._prior.check_counts(len(x), concepts)
        self._prior.fit(self.latent_rates(x, batch_size).astype("float64"), concepts, seed)

    def recall(self, concepts: ArrayLike, batch_size: int = 32) -> Array:
        """Return the typical stimulus of each concept, decoded from its mean latent rates.

        Args:
            concepts: ints `(batch,)`.
            batch_size: positive int.

        Returns:
            NumPy array of stimuli `(batch, ...)`.

        Raises:
            ValueError: a concept is out of range, or no prior has been fitted.
        """
        return self.from_rates(self._prior.mean_rates()[self._prior.check_concepts(concepts)], batch_size)

    def generate(
        self,
        n: int,
        concepts: ArrayLike | None = None,
        seed: int | None = None,
        temperature: float = 1.0,
        batch_size: int = 32,
    ) -> Array:
        """Return new stimuli, decoded from samples of the prior.

        Args:
            n: positive int, the number of stimuli.
            concepts: their concepts, ints `(n,)`, or one int for all (default: random, with equal
                probabilities).
            seed: int for reproducible stimuli.
            temperature: non-negative float, the factor of the Gaussians' standard deviations: at 0 stimuli are
                typical of their component, at 1 as varied as the stimuli to which the prior was fitted.
            batch_size: positive int.

        Returns:
            NumPy array of stimuli `(n, ...)`.

        Raises:
            ValueError: an argument is out of range, or no prior has been fitted.

        Example:

        >>> model = keras_bsd.applications.SpikingAutoencoder((8, 8, 1), 6, units=(12,), concepts=1)
        >>> x = np.random.default_rng(0).random((20, 8, 8, 1)).astype("float32")
        >>> model.fit_prior(x)
        >>> model.generate(3, seed=0).shape
        (3, 8, 8, 1)
        """
        _checks.integer("n", n, low=1)
        temperature = _checks.real("temperature", temperature, low=0.0)
        self._prior.arrays()  # raises before `fit_prior`
        generator = np.random.default_rng(seed)
        if concepts is None:
            concepts = generator.integers(self.concepts, size=n)
        concepts = self._prior.check_concepts(np.full(n, concepts) if np.ndim(concepts) == 0 else concepts)
        if len(concepts) != n:
            raise ValueError(f"`concepts` must be one int, or one for each of n={n}. Received: {len(concepts)}")
        return self.from_rates(self._prior.sample(concepts, temperature, generator), batch_size)

    def complete(
        self,
        x: ArrayLike,
        mask: ArrayLike,
        iterations: int = 4,
        rate_noise: float = 0.05,
        batch_size: int = 32,
    ) -> Array:
        """Return stimuli with their unknown pixels or elements filled in.

        The lower half of the feedforward network encodes the stimulus; the prior, in which all concepts are
        equally likely, turns these noisy latent rates into expected ones; the upper half decodes them and
        replaces what is unknown. Each further iteration starts from the stimulus completed by the one before.

        Args:
            x: stimuli `(batch, ...)`; values where the mask is false are ignored.
            mask: bool, true where the stimulus is known, of the shape of `x` or one that NumPy broadcasts to
                it, such as `(height, width, 1)`.
            iterations: positive int.
            rate_noise: non-negative float, the variance of the error of an incomplete stimulus's latent rates.
                At 0, or before `fit_prior`, the prior is not used.
            batch_size: positive int.

        Returns:
            NumPy array `(batch, ...)`; known values are unchanged.

        Raises:
            ValueError: the mask has another shape or hides a stimulus completely, or an argument is out of
                range.
        """
        _checks.integer("iterations", iterations, low=1)
        rate_noise = _checks.real("rate_noise", rate_noise, low=0.0)
        x = np.array(x, dtype="float32")
        mask = check_mask(mask, x.shape)
        low, high = self.stimulus_range or (-np.inf, np.inf)
        guess = np.where(mask, x, max(low, min(0.0, high)))
        for _ in range(iterations):
            rates = self.latent_rates(guess, batch_size)
            if rate_noise and self._prior.is_fitted:
                rates = self._prior.posterior_mean(rates, rate_noise)
            guess = np.where(mask, x, np.clip(self.from_rates(rates, batch_size), low, high))
        return guess

    def interpolate(self, a: ArrayLike, b: ArrayLike, steps: int = 8, batch_size: int = 32) -> Array:
        """Return stimuli between pairs of stimuli, evenly spaced in latent firing rates.

        Args:
            a, b: stimuli `(batch, ...)`.
            steps: int, at least 2, both ends included.
            batch_size: positive int.

        Returns:
            NumPy array `(batch, steps, ...)`.

        Raises:
            ValueError: `a` and `b` have different lengths.
        """
        a, b = self._stimuli("a", a), self._stimuli("b", b)
        if len(a) != len(b):
            raise ValueError(f"`a` and `b` must have the same length. Received: {len(a)} and {len(b)}")
        fraction = np.linspace(0, 1, _checks.integer("steps", steps, low=2))[:, None]
        start, end = (self.latent_rates(x, batch_size)[:, None] for x in (a, b))
        rates = (1 - fraction) * start + fraction * end
        stimuli = self.from_rates(rates.reshape(-1, rates.shape[-1]), batch_size)
        return stimuli.reshape(len(a), steps, *stimuli.shape[1:])

    def _stimuli(self, name: str, x: ArrayLike) -> Array:
        x = np.asarray(x, dtype="float32")
        if not len(x):
            raise ValueError(f"There are no stimuli. Received: `{name}` of length 0")
        self._guard.check_first(x)
        return x

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "latent": self.latent,
            "concepts": self.concepts,
            "components": self.components,
            "rate_matching_weight": self.rate_matching_weight,
        }
