"""ReCo, the relaxed contrastive loss between two views of the same samples."""

import math

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd.losses._layer_loss import NEGATIVES, LayerLoss, Pairing

CENTRINGS = ("batch", "sample", None)


def unit_rows(vectors, centring="batch"):
    """Flattened and centred vectors of length one, `(batch, features)`; arguments as `cosine_affinity`."""
    vectors = ops.reshape(ops.cast(vectors, "float32"), (-1, math.prod(vectors.shape[1:])))
    if centring is not None:
        vectors = vectors - ops.mean(vectors, axis=0 if centring == "batch" else 1, keepdims=True)
    squares = ops.sum(ops.square(vectors), axis=1, keepdims=True)
    # A silent neuron layer is a zero vector: it stays one, with a gradient that stays finite.
    return vectors / ops.sqrt(ops.where(squares > 1e-12, squares, ops.ones_like(squares)))


def pooled(maps, grid):
    """Maps averaged to at most `grid` x `grid` cells; what has no height and width stays as it is.

    Args:
        maps: `(batch, height, width, channels)`, or any other shape.
        grid: positive int, or None for no averaging.
    """
    if grid is None or len(maps.shape) != 4:
        return maps
    cell = tuple(math.ceil(pixels / grid) for pixels in maps.shape[1:3])
    return maps if cell == (1, 1) else ops.average_pool(maps, cell, strides=cell, padding="same")


def cosine_affinity(representations, prototypes, centring="batch"):
    """Cosine of every representation with every prototype, `(batch, prototypes)`, in float32.

    Args:
        representations: `(batch, ...)`, flattened to vectors.
        prototypes: `(prototypes, ...)` of the same number of features.
        centring: what is subtracted first: `"batch"`, each feature's mean over the batch (and over
            the prototypes); `"sample"`, each vector's own mean, which gives Pearson's correlation;
            `None`, nothing, as in the paper.

    Zero vectors have affinity zero with everything.

    Example:

    >>> cosine_affinity(ops.array([[1.0, 0.0]]), ops.array([[2.0, 0.0], [0.0, 1.0]]), centring=None)
    # [[1, 0]]
    """
    _checks.one_of("centring", centring, CENTRINGS)
    rows, columns = unit_rows(representations, centring), unit_rows(prototypes, centring)
    return ops.matmul(rows, ops.transpose(columns))


def reco(positives, affinity, negatives=None, margin=0.5, negative_weight=1.0):
    """ReCo of each sample: `sum_j p_kj relu(m - C_kj)^2 + lambda sum_j n_kj relu(C_kj)^2`.

    Args:
        positives: `p`, `(batch, prototypes)` in [0, 1]: what each sample is drawn to. The identity
            for pairs, one-hot classes for a codebook of prototypes.
        affinity: `C`, `(batch, prototypes)` in [-1, 1].
        negatives: `n`, `(batch, prototypes)`: how much each is pushed away (default `1 - p`).
        margin: `m`, the affinity at which a positive is near enough.
        negative_weight: `lambda`.

    Returns:
        `(batch,)`, in float32.

    Source: Lin et al., "Relaxing Contrastiveness in Multimodal Representation Learning", WACV 2023;
    eq. of the layer loss in arXiv 2509.20284 (there `m = 1`, `lambda = 0.6`).
    """
    affinity = ops.cast(affinity, "float32")
    positives = ops.cast(positives, "float32")
    negatives = 1 - positives if negatives is None else ops.cast(negatives, "float32")
    attraction = ops.sum(positives * ops.square(ops.relu(margin - affinity)), axis=-1)
    repulsion = ops.sum(negatives * ops.square(ops.relu(affinity)), axis=-1)
    return attraction + negative_weight * repulsion


def squared_distances(rows, others):
    """Return the squared Euclidean distance of each of `rows` to each of `others`, float32."""
    rows, others = (
        ops.reshape(ops.cast(values, "float32"), (-1, math.prod(values.shape[1:]))) for values in (rows, others)
    )
    squares, other_squares = (ops.sum(ops.square(values), axis=1) for values in (rows, others))
    distances = squares[:, None] + other_squares[None, :] - 2 * ops.matmul(rows, ops.transpose(others))
    return ops.relu(distances)


def target_similarity(targets):
    """Return the similarity of a batch's continuous targets, `(batch, batch)` in [0, 1].

    A Gaussian of the distance, as wide as the batch's mean squared distance.

    Args:
        targets: `(batch, ...)`.

    Example:

    >>> similarity = keras_bsd.losses.target_similarity(ops.array([[0.0], [0.0], [3.0]]))
    >>> [round(float(value), 3) for value in similarity[0]]  # the mean squared distance is 4
    [1.0, 1.0, 0.105]
    """
    distances = squared_distances(targets, targets)
    return ops.exp(-distances / (ops.mean(distances) + 1e-12))


@keras.saving.register_keras_serializable("keras_bsd")
class ReCo(LayerLoss):
    """ReCo between representations `y_pred` and their teachers `y_true`, row by row pairs.

    Args:
        margin: float in (0, 1], the affinity at which a pair is near enough. The paper has 1.0,
            which draws every sample onto its class's prototype; 0.5 leaves samples room and learns
            deeper features.
        negative_weight: non-negative float, the weight of the pairs to be pushed apart.
        centring: `"batch"`, `"sample"` or `None`, see `cosine_affinity`.
        grid: positive int: maps `(batch, height, width, channels)` are averaged to at most so many
            cells in height and width before they are compared. `None`: every position is.

    Raises:
        ValueError: an argument is out of range or unknown.

    Example:

    >>> views = keras.random.normal((8, 16)), keras.random.normal((8, 16))
    >>> keras_bsd.losses.ReCo(margin=1.0)(*views)
    """

    def __init__(self, margin=0.5, negative_weight=1.0, centring="batch", grid=4, name="reco", **kwargs):
        super().__init__(name=name, **kwargs)
        self.margin = _checks.real("margin", margin, low=0.0, low_open=True, high=1.0)
        self.negative_weight = _checks.real("negative_weight", negative_weight, low=0.0)
        self.centring = _checks.one_of("centring", centring, CENTRINGS)
        self.grid = None if grid is None else _checks.integer("grid", grid, low=1)

    def dissimilarity(self, targets):
        """Return how much the targets of a batch differ, `(batch, batch)` in [0, 1]."""
        return 1 - target_similarity(targets)

    def pairing(self, targets, concepts=None, classes=False, negatives="dissimilar"):
        _checks.one_of("negatives", negatives, NEGATIVES)
        if concepts is not None:
            return Pairing(targets, 1 - targets)
        positives = ops.eye(ops.shape(targets)[0])
        if negatives == "all":
            return Pairing(positives, 1 - positives)
        if classes:
            return Pairing(positives, 1 - ops.matmul(targets, ops.transpose(targets)))
        return Pairing(positives, self.dissimilarity(targets))

    def call(self, y_true, y_pred):
        return self.compare(y_pred, y_true, self.pairing(y_true, negatives="all"))[0]

    def compare(self, representations, teacher, pairing):
        views = (pooled(maps, self.grid) for maps in (representations, teacher))
        return self._compare(*views, pairing.positives, pairing.terms, self.negative_weight)

    def _compare(self, representations, teacher, positives, negatives, negative_weight):
        affinity = cosine_affinity(representations, teacher, self.centring)
        return reco(positives, affinity, negatives, self.margin, negative_weight), affinity

    def get_config(self):
        return {
            **super().get_config(),
            "margin": self.margin,
            "negative_weight": self.negative_weight,
            "centring": self.centring,
            "grid": self.grid,
        }
