"""InfoNCE, the cross-entropy between a stage and its teacher."""

import math
from typing import Any

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Config, Tensor
from keras_bsd.losses._layer_loss import Pairing
from keras_bsd.losses._reco import GRID, ContrastiveLoss, centred_rows, lengths, pool_maps


@keras.saving.register_keras_serializable("keras_bsd")
class InfoNCE(ContrastiveLoss):
    """Cross-entropy between a representation's own prototype and the probabilities of all prototypes.

    With `s` the scaled products of representation and prototypes, both centred, the loss of sample `k` is

        -sum_j p_kj s_kj + log sum_j (p_kj + n_kj) exp(s_kj)

    where `p` and `n` are the weights of attraction and repulsion, as in `reco`. With a codebook of classes `p`
    is one-hot and `p + n` one, so that the decoder's stage is a linear classifier of the encoder's firing
    rates. Products are not bounded, as cosines are: samples whose own prototype is already by far the most
    probable have almost no loss, and the others determine the update.

    Args:
        scale: positive float, by which products are multiplied; they are divided by the square root of the
            number of features.
        grid: see `ReCo`.

    Raises:
        ValueError: an argument is out of range.

    Example:

    >>> prototypes = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> loss = keras_bsd.losses.InfoNCE(scale=2.0)
    >>> round(float(loss(prototypes, prototypes)), 4)  # log(1 + exp(-s)) with s = 2 / sqrt(2)
    0.2176

    Source: van den Oord et al., "Representation Learning with Contrastive Predictive Coding", arXiv 1807.03748.
    """

    centring = "batch"

    def __init__(
        self, scale: float = 1.0, grid: int | None = GRID, name: str = "info_nce", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.scale = _checks.real("scale", scale, low=0.0, low_open=True)
        self.grid = None if grid is None else _checks.integer("grid", grid, low=1)

    def compare(self, representations: Tensor, teacher: Tensor, pairing: Pairing) -> tuple[Tensor, Tensor]:
        rows = centred_rows(pool_maps(representations, self.grid), present=pairing.present)
        columns = centred_rows(pool_maps(teacher, self.grid), present=pairing.present_prototypes)
        products = ops.matmul(rows, ops.transpose(columns))
        affinity = products / (lengths(rows) * ops.transpose(lengths(columns)))
        logits = self.scale / math.sqrt(rows.shape[1]) * products
        positives, negatives = (ops.cast(weights, "float32") for weights in (pairing.positives, pairing.terms))
        weights = positives + negatives
        counts = weights > 0
        # A large negative number, since the gradient at minus infinity would not be finite.
        candidates = ops.where(counts, logits + ops.log(ops.where(counts, weights, 1.0)), -1e30)
        return ops.logsumexp(candidates, axis=1) - ops.sum(positives * logits, axis=1), affinity

    def get_config(self) -> Config:
        return {**super().get_config(), "scale": self.scale, "grid": self.grid}
