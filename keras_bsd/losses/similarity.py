"""Similarity matching: what the stages of two networks say is as alike as the samples' targets are."""

import keras
from keras import ops

from keras_bsd.losses.reco import ReCo


@keras.saving.register_keras_serializable("keras_bsd")
class SimilarityMatching(ReCo):
    """The affinity of every two samples drawn to the similarity of their targets.

        L_k = sum_j (C_kj - S_kj)^2

    with `C` the cosine of representations and prototypes, as in `ReCo`, and `S` the similarity `1 - n` of
    the targets, centred over rows and columns and scaled to one for a sample with itself, as `C` is. For
    continuous targets: where classes have nothing between same and other, `ReCo` is the same idea.

    Args:
        centring, grid: see `ReCo`.

    Example:

    >>> model = keras_bsd.applications.SpikingForecaster(
    ...     window=48, horizon=6, variables=1, layer_loss=keras_bsd.losses.SimilarityMatching())

    Source: Kriegeskorte et al., "Representational similarity analysis", Frontiers in Systems Neuroscience
    2008, made an objective.
    """

    def __init__(self, centring="batch", grid=4, name="similarity_matching", **kwargs):
        super().__init__(centring=centring, grid=grid, name=name, **kwargs)

    def compare(self, representations, prototypes, positives, negatives=None):
        """Loss `(batch,)` and affinity `(batch, batch)`, see `ReCo.compare`."""
        _, affinity = super().compare(representations, prototypes, positives)
        similarity = positives if negatives is None else 1 - ops.cast(negatives, "float32")
        return ops.sum(ops.square(affinity - centred(similarity)), axis=-1), affinity

    def get_config(self):
        config = super().get_config()
        return {name: value for name, value in config.items() if name not in ("margin", "negative_weight")}


def centred(similarity):
    """A symmetric similarity less the means of rows and columns, with a diagonal of ones.

    Args:
        similarity: `(batch, batch)`.
    """
    rows = ops.mean(similarity, axis=1, keepdims=True)
    similarity = similarity - rows - ops.transpose(rows) + ops.mean(rows)
    norms = ops.sqrt(ops.maximum(ops.diagonal(similarity), 1e-6))
    return similarity / (norms[:, None] * norms[None, :])
