"""ReCo, the relaxed contrastive loss between a stage and its teacher."""

import math
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Array, Config, Tensor
from keras_bsd.losses._layer_loss import NEGATIVES, LayerLoss, Negatives, Pairing
from keras_bsd.losses._present import mean_of_present

Centring = Literal["batch", "sample"] | None
CENTRINGS = ("batch", "sample", None)
GRID = 4  # cells in height and width to which maps are averaged


def centred_rows(vectors, centring="batch", present=None):
    """Return flattened and centred vectors, `(batch, features)`; see `cosine_affinity`."""
    vectors = _flatten_rows(vectors)
    if centring == "batch":
        return vectors - mean_of_present(vectors, present, keepdims=True)
    if centring == "sample":
        return vectors - ops.mean(vectors, axis=1, keepdims=True)
    return vectors


def lengths(rows):
    """Return the lengths of vectors, `(batch, 1)`, 1 for zero vectors."""
    squares = ops.sum(ops.square(rows), axis=1, keepdims=True)
    # A silent stage has a zero vector, which stays one and has a finite gradient.
    return ops.sqrt(ops.where(squares > 1e-12, squares, ops.ones_like(squares)))


def unit_rows(vectors, centring="batch", present=None):
    """Return flattened and centred vectors of length one, `(batch, features)`; see `cosine_affinity`."""
    rows = centred_rows(vectors, centring, present)
    return rows / lengths(rows)


def _flatten_rows(values):
    return ops.reshape(ops.cast(values, "float32"), (-1, math.prod(values.shape[1:])))


def cell_of(sides, grid):
    """Return height and width of the cells of maps, of which there are at most `grid` in height and width."""
    return tuple(math.ceil(pixels / grid) for pixels in sides)


def groups_of(length, size):
    """Return how many groups of `size` neighbours a length makes, and what it lacks before and behind it.

    What the first and the last group lack is as equal as can be, the smaller half first.
    """
    groups = math.ceil(length / size)
    excess = groups * size - length
    return groups, (excess // 2, excess - excess // 2)


def pool_maps(values, grid):
    """Return maps averaged to at most `grid` x `grid` cells, and any other values unchanged.

    Args:
        values: maps `(batch, height, width, channels)`, or values of another shape.
        grid: positive int, or None for no averaging.
    """
    if grid is None or len(values.shape) != 4:
        return values
    for axis, pixels in zip((1, 2), cell_of(values.shape[1:3], grid), strict=True):
        values = _mean_by_group(values, axis, pixels)
    return values


def _mean_by_group(maps, axis, size):
    """Return the means of groups of `size` neighbours along an axis; the first and the last may be smaller.

    `ops.average_pool` computes the same, but in XLA its gradient takes time proportional to the window's size.
    """
    if size == 1:
        return maps
    shape, length = maps.shape, maps.shape[axis]
    groups, margins = groups_of(length, size)
    if any(margins):
        maps = ops.pad(maps, [margins if i == axis else (0, 0) for i in range(4)])
    counts = np.pad(np.ones(length, "float32"), margins).reshape(groups, size).sum(axis=1)
    before, behind = shape[1:axis], shape[axis + 1 :]
    sums = ops.sum(ops.reshape(maps, (-1, *before, groups, size, math.prod(behind))), axis=axis + 1)
    means = sums * ops.cast((1 / counts)[:, None], sums.dtype)
    return ops.reshape(means, (-1, *before, groups, *behind))


def cosine_affinity(
    representations: Tensor | Array,
    prototypes: Tensor | Array,
    centring: Centring = "batch",
    present: Tensor | Array | None = None,
    present_prototypes: Tensor | Array | None = None,
) -> Tensor:
    """Return the cosine of every representation with every prototype, `(batch, prototypes)`, in float32.

    Zero vectors have affinity zero with every vector.

    Args:
        representations: `(batch, ...)`, flattened to vectors.
        prototypes: `(prototypes, ...)` with the same number of features.
        centring: what is subtracted first: `"batch"`, each feature's mean over the batch (for prototypes, over
            the prototypes); `"sample"`, each vector's own mean, which makes the cosine Pearson's correlation;
            `None`, nothing, as in the paper.
        present, present_prototypes: `(batch,)` and `(prototypes,)`, 0 for rows that are no samples and not in
            the mean, else 1; see `Pairing`.

    Raises:
        ValueError: `centring` is unknown.

    Example:

    >>> prototypes = np.array([[2.0, 0.0], [0.0, 1.0]])
    >>> affinity = keras_bsd.losses.cosine_affinity(np.array([[1.0, 0.0]]), prototypes, centring=None)
    >>> ops.convert_to_numpy(affinity)
    array([[1., 0.]], dtype=float32)
    """
    _checks.one_of("centring", centring, CENTRINGS)
    rows = unit_rows(representations, centring, present)
    columns = unit_rows(prototypes, centring, present_prototypes)
    return ops.matmul(rows, ops.transpose(columns))


def reco(
    positives: Tensor | Array,
    affinity: Tensor | Array,
    negatives: Tensor | Array | None = None,
    margin: float = 0.5,
    negative_weight: float = 1.0,
) -> Tensor:
    """Return the relaxed contrastive loss of each sample, `(batch,)`, in float32.

    The loss of sample `k` is `sum_j p_kj relu(m - C_kj)^2 + lambda sum_j n_kj relu(C_kj)^2`.

    Args:
        positives: `p`, `(batch, prototypes)` in [0, 1], the weights of attraction: one-hot classes for a
            codebook, the identity if each sample has a prototype of its own.
        affinity: `C`, `(batch, prototypes)` in [-1, 1].
        negatives: `n`, `(batch, prototypes)`, the weights of repulsion (default: `1 - p`).
        margin: `m`, the affinity above which positives are no longer attracted.
        negative_weight: `lambda`.

    Example:

    >>> loss = keras_bsd.losses.reco(np.eye(2), np.array([[0.25, 0.5], [-0.5, 0.75]]))
    >>> ops.convert_to_numpy(loss)  # (0.5 - 0.25)^2 + 0.5^2, and 0
    array([0.3125, 0.    ], dtype=float32)

    Source: Lin et al., "Relaxing Contrastiveness in Multimodal Representation Learning", WACV 2023;
    as the layer loss, arXiv 2509.20284 (there `m = 1`, `lambda = 0.6`).
    """
    affinity = ops.cast(affinity, "float32")
    positives = ops.cast(positives, "float32")
    negatives = 1 - positives if negatives is None else ops.cast(negatives, "float32")
    attraction = ops.sum(positives * ops.square(ops.relu(margin - affinity)), axis=-1)
    repulsion = ops.sum(negatives * ops.square(ops.relu(affinity)), axis=-1)
    return attraction + negative_weight * repulsion


def squared_distances(rows, others):
    """Return the squared Euclidean distance of each of `rows` to each of `others`, in float32."""
    rows, others = _flatten_rows(rows), _flatten_rows(others)
    squares, other_squares = (ops.sum(ops.square(values), axis=1) for values in (rows, others))
    distances = squares[:, None] + other_squares[None, :] - 2 * ops.matmul(rows, ops.transpose(others))
    return ops.relu(distances)


def mean_of_present_pairs(values, present=None, others_present=None):
    """Return the mean of values `(rows, others)` over the pairs of which both are present."""
    return mean_of_present(mean_of_present(values, others_present, axis=1), present)


def target_similarity(targets: Tensor | Array, present: Tensor | Array | None = None) -> Tensor:
    """Return the similarity of a batch's continuous targets, `(batch, batch)` in [0, 1].

    The similarity is a Gaussian of the distance, whose width is the batch's mean squared distance.

    Args:
        targets: `(batch, ...)`.
        present: `(batch,)`, 0 for rows that are no samples and not in the mean, else 1.

    Example:

    >>> similarity = keras_bsd.losses.target_similarity(np.array([[0.0], [0.0], [3.0]]))
    >>> [round(float(value), 3) for value in similarity[0]]  # the mean squared distance is 4
    [1.0, 1.0, 0.105]
    """
    distances = squared_distances(targets, targets)
    return ops.exp(-distances / (mean_of_present_pairs(distances, present, present) + 1e-12))


class ContrastiveLoss(LayerLoss):
    """Base class of losses that attract a representation to its own prototype and repel it from the others."""

    centring: Centring

    @property
    def smallest_batch(self) -> int:
        return 2 if self.centring == "batch" else 1

    def dissimilarity(self, targets: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the dissimilarity of a batch's continuous targets, `(batch, batch)` in [0, 1]."""
        return 1 - target_similarity(targets, present)

    def pairing(
        self,
        targets: Tensor,
        concepts: Tensor | None = None,
        classes: bool = False,
        negatives: Negatives = "dissimilar",
        present: Tensor | None = None,
    ) -> Pairing:
        """See `LayerLoss.pairing`; `terms` are the weights of the negative pairs, `(batch, prototypes)`."""
        _checks.one_of("negatives", negatives, NEGATIVES)
        if concepts is not None:
            return Pairing(targets, 1 - targets)
        positives = ops.eye(ops.shape(targets)[0])
        if negatives == "all":
            terms = 1 - positives
        elif classes:
            terms = 1 - ops.matmul(targets, ops.transpose(targets))
        else:
            terms = self.dissimilarity(targets, present)
        return Pairing(positives, terms if present is None else terms * ops.cast(present, terms.dtype))


@keras.saving.register_keras_serializable("keras_bsd")
class ReCo(ContrastiveLoss):
    """Relaxed contrastive loss between a stage's representations and its teacher's.

    Each representation is attracted by its own prototype up to an affinity of `margin`, and repelled by the
    other prototypes down to an affinity of 0: see `reco`.

    Args:
        margin: float in (0, 1], the affinity above which a positive pair is no longer attracted. At 1.0, the
            paper's value, every sample is attracted until it coincides with its prototype; 0.5 lets the samples
            of a class differ, and deeper stages learn better features.
        negative_weight: non-negative float, the weight of the negative pairs.
        centring: `"batch"`, `"sample"` or `None`, see `cosine_affinity`.
        grid: positive int, to how many cells in height and width, at most, maps `(batch, height, width,
            channels)` are averaged before they are compared. `None`: every position is compared.

    Raises:
        ValueError: an argument is out of range or unknown.

    Example:

    >>> representations, teacher = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[2.0, 0.0], [1.0, 1.0]])
    >>> loss = keras_bsd.losses.ReCo(centring=None)(teacher, representations)
    >>> round(float(loss), 3)  # affinities 1 and 0.71 of the pairs, 0.71 and 0 of the negatives
    0.25
    """

    def __init__(
        self,
        margin: float = 0.5,
        negative_weight: float = 1.0,
        centring: Centring = "batch",
        grid: int | None = GRID,
        name: str = "reco",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.margin = _checks.real("margin", margin, low=0.0, low_open=True, high=1.0)
        self.negative_weight = _checks.real("negative_weight", negative_weight, low=0.0)
        self.centring = _checks.one_of("centring", centring, CENTRINGS)
        self.grid = None if grid is None else _checks.integer("grid", grid, low=1)

    def compare(self, representations: Tensor, teacher: Tensor, pairing: Pairing) -> tuple[Tensor, Tensor]:
        rows, columns = pool_maps(representations, self.grid), pool_maps(teacher, self.grid)
        return self._compare(rows, columns, pairing, pairing.terms, self.negative_weight)

    def _compare(self, representations, teacher, pairing, negatives, negative_weight):
        present = pairing.present, pairing.present_prototypes
        affinity = cosine_affinity(representations, teacher, self.centring, *present)
        return reco(pairing.positives, affinity, negatives, self.margin, negative_weight), affinity

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "margin": self.margin,
            "negative_weight": self.negative_weight,
            "centring": self.centring,
            "grid": self.grid,
        }
