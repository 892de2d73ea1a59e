"""Similarity matching: stages that find samples as alike as they are."""

import keras
from keras import ops

from keras_bsd import checks
from keras_bsd.losses.reco import cosine_affinity, target_similarity, unit_rows
from keras_bsd.losses.spectra import is_map, radial_frequencies, weighted_spectrum

KERNELS = ("cosine", "gaussian")


@keras.saving.register_keras_serializable("keras_bsd")
class SimilarityMatching(keras.losses.Loss):
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
        self.pair_weight = checks.real("pair_weight", pair_weight, low=0.0)
        self.own_weight = checks.real("own_weight", own_weight, low=0.0)
        self.kernel = checks.one_of("kernel", kernel, KERNELS)
        self.sharpening = checks.real("sharpening", sharpening, low=0.0)

    def call(self, y_true, y_pred):
        return self.compare(y_pred, y_true, None, self.unlikeness(y_true))[0]

    def unlikeness(self, targets):
        """How unlike the targets of a batch are, `(batch, batch)` in [0, 2]: 1 minus their similarity."""
        if self.kernel == "gaussian":
            return 1 - _centred(target_similarity(targets))
        if self.sharpening and is_map(targets):
            frequencies = radial_frequencies(*targets.shape[1:3])
            lowest = 1 / max(targets.shape[1:3])
            targets = weighted_spectrum(targets, (frequencies.clip(lowest) / lowest) ** self.sharpening)
        return 1 - cosine_affinity(targets, targets)

    def compare(self, representations, prototypes, positives, negatives):
        """Loss `(batch,)` and affinity `(batch, batch)`; `negatives` is what `unlikeness` gave."""
        wanted = 1 - negatives
        own, teacher = unit_rows(representations), unit_rows(prototypes)
        affinity = _cosines(own, teacher)
        loss = self.pair_weight * ops.square(1 - ops.diagonal(affinity)) + _distance(affinity, wanted)
        if self.own_weight:
            for rows in (own, teacher):
                loss += self.own_weight * _distance(_cosines(rows, rows), wanted)
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


def _centred(similarity):
    """A similarity `(batch, batch)` less the means of rows and columns, with ones on the diagonal."""
    means = ops.mean(similarity, axis=1, keepdims=True)
    similarity = similarity - means - ops.transpose(means) + ops.mean(means)
    norms = ops.sqrt(ops.maximum(ops.diagonal(similarity), 1e-6))
    return similarity / (norms[:, None] * norms[None, :])
