"""ReCo band by band of spatial frequencies."""

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd.losses._reco import ReCo, target_similarity
from keras_bsd.losses._spectra import is_map, radial_frequencies, weighted_spectrum


@keras.saving.register_keras_serializable("keras_bsd")
class FrequencyReCo(ReCo):
    """ReCo that weighs the details of images more than their large shapes.

    Maps are split by the Fourier transform into a low and a high band, ReCo compares each band on its own,
    and the two losses are added. Images as targets are split alike, so that a pair of samples is pushed
    apart in a band as much as their targets differ in that band. What has no height and width is compared
    as a whole in both.

    Args:
        margin, negative_weight, centring: see `ReCo`; `negative_weight` is that of the low band.
        high_weight: non-negative float, the negative weight of the high band.
        cutoff: float in (0, 0.5], where the high band begins, in cycles a pixel.

    Raises:
        ValueError: an argument is out of range or unknown.

    Example:

    >>> views = keras.random.normal((8, 14, 14, 3)), keras.random.normal((8, 14, 14, 3))
    >>> keras_bsd.losses.FrequencyReCo(high_weight=2.0)(*views)

    Source: the frequency-adaptive layer loss for image generation in arXiv 2509.20284.
    """

    def __init__(
        self,
        margin=1.0,
        negative_weight=0.6,
        high_weight=1.2,
        cutoff=0.125,
        centring="batch",
        name="frequency_reco",
        **kwargs,
    ):
        super().__init__(margin, negative_weight, centring, grid=None, name=name, **kwargs)
        self.high_weight = _checks.real("high_weight", high_weight, low=0.0)
        self.cutoff = _checks.real("cutoff", cutoff, low=0.0, low_open=True, high=0.5)

    def dissimilarity(self, targets):
        """Return how much the targets of a batch differ in each band, `(2, batch, batch)` in [0, 1]."""
        return ops.stack([1 - target_similarity(band) for band in self._bands(targets)])

    def compare(self, representations, teacher, pairing):
        losses, affinities = [], []
        views = zip(self._bands(representations), self._bands(teacher), strict=True)
        weights = (self.negative_weight, self.high_weight)
        for band, (view, weight) in enumerate(zip(views, weights, strict=True)):
            negatives = pairing.terms if len(pairing.terms.shape) == 2 else pairing.terms[band]
            loss, affinity = self._compare(*view, pairing.positives, negatives, weight)
            losses.append(loss)
            affinities.append(affinity)
        return sum(losses), sum(affinities) / 2

    def _bands(self, values):
        if not is_map(values):
            return values, values
        high = radial_frequencies(*values.shape[1:3]) >= self.cutoff
        return weighted_spectrum(values, ~high), weighted_spectrum(values, high)

    def get_config(self):
        config = {**super().get_config(), "high_weight": self.high_weight, "cutoff": self.cutoff}
        del config["grid"]
        return config
