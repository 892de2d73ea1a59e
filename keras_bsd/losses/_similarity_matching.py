"""Similarity matching: stages that find samples as alike as they are."""

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd.losses._layer_loss import LayerLoss, Pairing
from keras_bsd.losses._reco import cosine_affinity, squared_distances, unit_rows
from keras_bsd.losses._spectra import is_map, radial_frequencies, weighted_spectrum

KERNELS = ("cosine", "gaussian")


@keras.saving.register_keras_serializable("keras_bsd")
class SimilarityMatching(LayerLoss):
    """Draws how alike two paired stages find the samples of a batch to how alike their targets are.

    With `S` the similarity of the targets, `C` the affinity of the stage's representations with their
    teachers', and `G`, `G'` that of each with its own, all `(batch, batch)`, the loss of sample `k` is
    `p (1 - C_kk)^2 + sum_j [(C_kj - S_kj)^2 + o (G_kj - S_kj)^2 + o (G'_kj - S_kj)^2]`.

    Where ReCo tells samples apart, this keeps what they have in common: rates from which the target can
    be read off by a linear readout. That is what reconstruction and forecasts ask for.

    Args:
        pair_weight: non-negative float `p`, the weight of each sample's affinity with its own teacher.
        own_weight: non-negative float `o`, the weight of what each stage finds on its own.
        kernel: `"cosine"`, `S` is the cosine of targets less their mean, or `"gaussian"`, a Gaussian of
            their distance, less its means and scaled to ones on the diagonal, as cosines are.
        sharpening: float, the power of spatial frequency that targets which are images are weighted by
            before their cosine is taken. 0 leaves them as they are; the higher, the more details count
            against the large shapes that make up most of an image.

    Raises:
        ValueError: an argument is out of range or unknown.

    Example:

    >>> model = keras_bsd.BSDModel(
    ...     encoder, decoder, task="regression", layer_loss=keras_bsd.losses.SimilarityMatching())

    Source: after similarity matching, Pehlevan and Chklovskii, "Neuroscience-Inspired Online
    Unsupervised Learning Algorithms", IEEE Signal Processing Magazine 36(6), 2019.
    """

    def __init__(
        self,
        pair_weight=1.0,
        own_weight=1.0,
        kernel="cosine",
        sharpening=0.0,
        name="similarity_matching",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.pair_weight = _checks.real("pair_weight", pair_weight, low=0.0)
        self.own_weight = _checks.real("own_weight", own_weight, low=0.0)
        self.kernel = _checks.one_of("kernel", kernel, KERNELS)
        self.sharpening = _checks.real("sharpening", sharpening, low=0.0)

    def similarity(self, targets, others):
        """Return the similarity of each of `targets` `(batch, ...)` to each of `others` `(prototypes, ...)`.

        Returns:
            `(batch, prototypes)` in [-1, 1]. Both sets are centred on their own means.
        """
        if self.kernel == "gaussian":
            return _centred_gaussian(targets, others)
        return cosine_affinity(self._sharpened(targets), self._sharpened(others))

    def _sharpened(self, targets):
        if not (self.sharpening and is_map(targets)):
            return targets
        frequencies = radial_frequencies(*targets.shape[1:3])
        lowest = 1 / max(targets.shape[1:3])
        return weighted_spectrum(targets, (frequencies.clip(lowest) / lowest) ** self.sharpening)

    def pairing(self, targets, concepts=None, classes=False, negatives="dissimilar"):
        """See `LayerLoss.pairing`. `classes` and `negatives` have no effect: similarity decides."""
        if concepts is None:
            similarity = self.similarity(targets, targets)
            return Pairing(ops.eye(ops.shape(targets)[0]), (similarity, similarity, similarity))
        pairs = ((targets, concepts), (targets, targets), (concepts, concepts))
        return Pairing(targets, tuple(self.similarity(*pair) for pair in pairs))

    def call(self, y_true, y_pred):
        return self.compare(y_pred, y_true, self.pairing(y_true))[0]

    def compare(self, representations, teacher, pairing):
        across, within, among_teachers = pairing.terms
        own, others = unit_rows(representations), unit_rows(teacher)
        affinity = _cosines(own, others)
        attraction = ops.sum(pairing.positives * ops.square(1 - affinity), axis=1)
        loss = self.pair_weight * attraction + _distance(affinity, across)
        if self.own_weight:
            loss += self.own_weight * _distance(_cosines(own, own), within)
            teachers = _distance(_cosines(others, others), among_teachers)
            # Each sample bears the loss of its own prototype.
            loss += self.own_weight * ops.matmul(pairing.positives, teachers)
        return loss, affinity

    def get_config(self):
        return {
            **super().get_config(),
            "pair_weight": self.pair_weight,
            "own_weight": self.own_weight,
            "kernel": self.kernel,
            "sharpening": self.sharpening,
        }


def _cosines(rows, others):
    return ops.matmul(rows, ops.transpose(others))


def _distance(cosines, wanted):
    return ops.sum(ops.square(cosines - wanted), axis=1)


def _centred_gaussian(targets, others):
    """A Gaussian kernel of the distances between two sets, centred in feature space on each set's mean.

    The result is normalised as cosines are: a sample's similarity to itself is 1.
    """
    distances = squared_distances(targets, targets)
    width = ops.mean(distances) + 1e-12
    within = ops.exp(-distances / width)
    across = within if others is targets else ops.exp(-squared_distances(targets, others) / width)
    among = within if others is targets else ops.exp(-squared_distances(others, others) / width)
    rows, columns = ops.mean(across, axis=1, keepdims=True), ops.mean(across, axis=0, keepdims=True)
    row_norms, column_norms = (
        ops.sqrt(ops.maximum(ops.diagonal(kernel) - 2 * ops.mean(kernel, axis=1) + ops.mean(kernel), 1e-6))
        for kernel in (within, among)
    )
    return (across - rows - columns + ops.mean(across)) / (row_norms[:, None] * column_norms[None, :])
