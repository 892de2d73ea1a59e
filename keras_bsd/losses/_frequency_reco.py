"""ReCo in bands of spatial frequency."""

from typing import Any

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Config, Tensor
from keras_bsd.losses._layer_loss import Pairing
from keras_bsd.losses._reco import Centring, ReCo, target_similarity
from keras_bsd.losses._spectra import is_map, radial_frequencies, weighted_spectrum


@keras.saving.register_keras_serializable("keras_bsd")
class FrequencyReCo(ReCo):
    """ReCo that weights the details of images more than their large shapes.

    The Fourier transform splits maps into a low and a high band, ReCo compares each band, and the two losses
    are added. Targets that are images are split in the same way, so that a pair of samples is repelled in each
    band in proportion to the dissimilarity of its targets in that band. Representations without height and
    width are compared whole, once for each band.

    Args:
        margin, centring: see `ReCo`.
        negative_weight: non-negative float, the weight of the negative pairs in the low band.
        high_weight: non-negative float, the weight of the negative pairs in the high band.
        cutoff: float in (0, 0.5], the frequency in cycles per pixel at which the high band begins.

    Raises:
        ValueError: an argument is out of range or unknown.

    Example:

    >>> teacher, representations = np.random.default_rng(0).random((2, 8, 14, 14, 3))
    >>> loss = keras_bsd.losses.FrequencyReCo(high_weight=2.0)(teacher, representations)
    >>> tuple(loss.shape)
    ()

    Source: the frequency-adaptive layer loss for image generation in arXiv 2509.20284.
    """

    def __init__(
        self,
        margin: float = 1.0,
        negative_weight: float = 0.6,
        high_weight: float = 1.2,
        cutoff: float = 0.125,
        centring: Centring = "batch",
        name: str = "frequency_reco",
        **kwargs: Any,
    ) -> None:
        super().__init__(margin, negative_weight, centring, grid=None, name=name, **kwargs)
        self.high_weight = _checks.real("high_weight", high_weight, low=0.0)
        self.cutoff = _checks.real("cutoff", cutoff, low=0.0, low_open=True, high=0.5)

    def dissimilarity(self, targets: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the dissimilarity of a batch's continuous targets by band, `(2, batch, batch)` in [0, 1]."""
        return ops.stack([1 - target_similarity(band, present) for band in self._bands(targets)])

    def compare(self, representations: Tensor, teacher: Tensor, pairing: Pairing) -> tuple[Tensor, Tensor]:
        losses, affinities = [], []
        views = zip(self._bands(representations), self._bands(teacher), strict=True)
        weights = (self.negative_weight, self.high_weight)
        for band, (view, weight) in enumerate(zip(views, weights, strict=True)):
            negatives = pairing.terms if len(pairing.terms.shape) == 2 else pairing.terms[band]
            loss, affinity = self._compare(*view, pairing, negatives, weight)
            losses.append(loss)
            affinities.append(affinity)
        return sum(losses), sum(affinities) / 2

    def _bands(self, values):
        if not is_map(values):
            return values, values
        high = radial_frequencies(*values.shape[1:3]) >= self.cutoff
        return weighted_spectrum(values, ~high), weighted_spectrum(values, high)

    def get_config(self) -> Config:
        config = {**super().get_config(), "high_weight": self.high_weight, "cutoff": self.cutoff}
        del config["grid"]
        return config
