"""Similarity matching: representations whose similarities are those of their targets."""

from typing import Any, Literal, get_args

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Config, Tensor
from keras_bsd.losses._layer_loss import NEGATIVES, LayerLoss, Negatives, Pairing
from keras_bsd.losses._present import mean_of_present
from keras_bsd.losses._reco import cosine_affinity, mean_of_present_pairs, squared_distances, unit_rows
from keras_bsd.losses._spectra import is_map, radial_frequencies, weighted_spectrum

Kernel = Literal["cosine", "gaussian"]
KERNELS = get_args(Kernel)


@keras.saving.register_keras_serializable("keras_bsd")
class SimilarityMatching(LayerLoss):
    """Loss that matches the similarities of a stage's representations to those of their targets.

    The loss of sample `k`, whose prototype is `c(k)`, is

        p (1 - C_kc(k))^2 + sum_j (C_kj - S_kj)^2 + o [sum_l (G_kl - T_kl)^2 + sum_j (H_c(k)j - U_c(k)j)^2]

    summed over the prototypes `j` and the samples `l`, where

    - `C` are the cosines of representations and prototypes (the affinity), `S` the similarities of targets and
      concepts;
    - `G` are the cosines of the representations with each other, `T` the similarities of their targets;
    - `H` are the cosines of the prototypes with each other, `U` the similarities of their concepts.

    Without a codebook each sample has a prototype of its own, whose concept is the sample's target: `c(k) = k`
    and `S = T = U`. With a codebook, each sample contributes its own prototype's row of the last sum, so that
    prototypes are weighted by the frequency of their class. All vectors are centred on the mean of their set.

    ReCo separates samples; this loss preserves what they have in common, so that a linear readout can predict
    the target from the representations. It suits reconstruction and forecasts.

    Args:
        pair_weight: non-negative float `p`, the weight of each sample's affinity with its own prototype.
        own_weight: non-negative float `o`, the weight of the similarities within each of the two networks.
        kernel: similarity of targets: `"cosine"` of the centred targets, or `"gaussian"`, a Gaussian kernel of
            their distances, double-centred and normalised to a unit diagonal.
        sharpening: non-negative float, the power of the spatial frequency by which targets that are images are
            weighted before their cosine is taken. 0 leaves them unchanged; higher values weight details more
            against the large shapes, which dominate an image.

    Raises:
        ValueError: an argument is out of range or unknown.

    Example:

    >>> targets = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
    >>> loss = keras_bsd.losses.SimilarityMatching()
    >>> round(float(loss(targets, 0.5 * targets)), 4)  # the same similarities
    0.0
    >>> float(loss(targets, targets[::-1])) > 1
    True

    Source: after similarity matching, Pehlevan and Chklovskii, "Neuroscience-Inspired Online
    Unsupervised Learning Algorithms", IEEE Signal Processing Magazine 36(6), 2019.
    """

    def __init__(
        self,
        pair_weight: float = 1.0,
        own_weight: float = 1.0,
        kernel: Kernel = "cosine",
        sharpening: float = 0.0,
        name: str = "similarity_matching",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pair_weight = _checks.real("pair_weight", pair_weight, low=0.0)
        self.own_weight = _checks.real("own_weight", own_weight, low=0.0)
        self.kernel = _checks.one_of("kernel", kernel, KERNELS)
        self.sharpening = _checks.real("sharpening", sharpening, low=0.0)

    @property
    def smallest_batch(self) -> int:
        return 2

    def similarity(
        self,
        targets: Tensor,
        others: Tensor,
        present: Tensor | None = None,
        others_present: Tensor | None = None,
    ) -> Tensor:
        """Return the similarity of each of `targets` `(batch, ...)` to each of `others` `(prototypes, ...)`.

        Args:
            targets, others: two sets, or one set twice.
            present, others_present: 0 for each row that is no sample, else 1; see `Pairing`.

        Returns:
            `(batch, prototypes)` in [-1, 1]. Each set is centred on its own mean.
        """
        if self.kernel == "gaussian":
            return _centred_gaussian(targets, others, present, others_present)
        views = (self._sharpen(targets), self._sharpen(others))
        return cosine_affinity(*views, present=present, present_prototypes=others_present)

    def _sharpen(self, targets):
        if not (self.sharpening and is_map(targets)):
            return targets
        frequencies = radial_frequencies(*targets.shape[1:3])
        lowest = 1 / max(targets.shape[1:3])
        return weighted_spectrum(targets, (frequencies.clip(lowest) / lowest) ** self.sharpening)

    def pairing(
        self,
        targets: Tensor,
        concepts: Tensor | None = None,
        classes: bool = False,
        negatives: Negatives = "dissimilar",
        present: Tensor | None = None,
    ) -> Pairing:
        """See `LayerLoss.pairing`; `terms` are `S`, `T` and `U`. `classes` and `negatives` have no effect."""
        _checks.one_of("negatives", negatives, NEGATIVES)
        if concepts is None:
            similarity = self.similarity(targets, targets, present, present)
            return Pairing(ops.eye(ops.shape(targets)[0]), (similarity, similarity, similarity))
        samples, codebook = (targets, present), (concepts, None)
        sets = ((samples, codebook), (samples, samples), (codebook, codebook))
        terms = [self.similarity(a, b, here, there) for (a, here), (b, there) in sets]
        return Pairing(targets, tuple(terms))

    def compare(self, representations: Tensor, teacher: Tensor, pairing: Pairing) -> tuple[Tensor, Tensor]:
        across, among_samples, among_concepts = pairing.terms
        positives = ops.cast(pairing.positives, "float32")
        present, known = pairing.present, pairing.present_prototypes
        rows, prototypes = unit_rows(representations, present=present), unit_rows(teacher, present=known)
        affinity = _cosines(rows, prototypes)
        attraction = ops.sum(positives * ops.square(1 - affinity), axis=1)
        loss = self.pair_weight * attraction + _mismatch(affinity, across, known)
        if self.own_weight:
            loss += self.own_weight * _mismatch(_cosines(rows, rows), among_samples, present)
            of_prototypes = _mismatch(_cosines(prototypes, prototypes), among_concepts, known)
            loss += self.own_weight * ops.sum(positives * of_prototypes, axis=1)
        return loss, affinity

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "pair_weight": self.pair_weight,
            "own_weight": self.own_weight,
            "kernel": self.kernel,
            "sharpening": self.sharpening,
        }


def _cosines(rows, others):
    return ops.matmul(rows, ops.transpose(others))


def _mismatch(cosines, similarities, present=None):
    """Return the sum of squared differences of each row over the columns that are present, `(rows,)`."""
    squares = ops.square(cosines - ops.cast(similarities, "float32"))
    return ops.sum(squares if present is None else squares * present, axis=1)


def _centred_gaussian(targets, others, present=None, others_present=None):
    """Return a Gaussian kernel of the distances between two sets, each centred on its mean in feature space.

    The result is normalised as cosines are: a target's similarity to itself is 1.
    """
    distances = squared_distances(targets, targets)
    width = mean_of_present_pairs(distances, present, present) + 1e-12
    centred = _double_centre(ops.exp(-distances / width), present, present)
    norms = other_norms = _norms(centred)
    if others is not targets:
        kernel, among_others = (ops.exp(-squared_distances(rows, others) / width) for rows in (targets, others))
        centred = _double_centre(kernel, present, others_present)
        other_norms = _norms(_double_centre(among_others, others_present, others_present))
    return centred / (norms[:, None] * other_norms[None, :])


def _double_centre(kernel, present, others_present):
    """Return a kernel less its means over rows and over columns."""
    rows = mean_of_present(kernel, others_present, axis=1, keepdims=True)
    columns = mean_of_present(kernel, present, axis=0, keepdims=True)
    return kernel - rows - columns + mean_of_present(rows, present)


def _norms(centred):
    return ops.sqrt(ops.maximum(ops.diagonal(centred), 1e-6))
