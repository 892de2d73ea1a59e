"""The contract between a layer loss and the pair that it trains."""

import inspect
from typing import Any, Literal, NamedTuple, get_args

import keras
from keras import ops

from keras_bsd._types import Tensor

Negatives = Literal["dissimilar", "all"]
NEGATIVES = get_args(Negatives)


class Pairing(NamedTuple):
    """How the samples of a batch relate to the prototypes: one for all stages.

    Attributes:
        positives: `(batch, prototypes)` in [0, 1], 1 where sample and prototype have the same concept.
        terms: anything else that the layer loss has computed from the targets.
        present: `(batch,)`, 1 for each sample and 0 for each row whose weight is 0, which is no sample: it must
            not change the losses of others. `None`: all rows are samples.
        present_prototypes: `(prototypes,)`, the same of the prototypes. `None`: all count, as in a codebook.
    """

    positives: Tensor
    terms: Any = None
    present: Tensor | None = None
    present_prototypes: Tensor | None = None


class LayerLoss(keras.losses.Loss):
    """Base class of losses between a stage and its teacher.

    A subclass implements `pairing` and `compare`. A training step calls `pairing` once, with the targets, and
    `compare` with the result for every pair of stages. As a Keras loss, `loss(teacher, representations)`
    compares row by row, and every other row is a negative.

    A row whose weight is 0 is no sample. A loss that compares samples with each other, or takes a mean over
    them, leaves it out: in `pairing` by the argument `present`, in `compare` by `pairing.present` and
    `pairing.present_prototypes`. A loss of single pairs, as in the example, need not use it.

    Example:

    >>> class MeanSquaredDifference(keras_bsd.losses.LayerLoss):
    ...     def pairing(self, targets, concepts=None, classes=False, negatives="dissimilar"):
    ...         positives = ops.eye(len(targets)) if concepts is None else targets
    ...         return keras_bsd.losses.Pairing(positives)
    ...
    ...     def compare(self, representations, teacher, pairing):
    ...         differences = representations[:, None] - teacher[None]
    ...         errors = ops.mean(ops.square(differences), axis=-1)
    ...         affinity = keras_bsd.losses.cosine_affinity(representations, teacher)
    ...         return ops.sum(pairing.positives * errors, axis=1), affinity
    >>> float(MeanSquaredDifference()(np.array([[1.0, 0.0]]), np.array([[1.0, 2.0]])))
    2.0
    """

    @property
    def smallest_batch(self) -> int:
        """The samples that a batch needs for the loss to depend on them: 2 if it centres on their mean."""
        return 1

    def pairing(
        self,
        targets: Tensor,
        concepts: Tensor | None = None,
        classes: bool = False,
        negatives: Negatives = "dissimilar",
        present: Tensor | None = None,
    ) -> Pairing:
        """Relate samples to prototypes by their targets.

        Args:
            targets: `(batch, ...)`, one-hot classes or continuous values.
            concepts: `(prototypes, ...)`, the decoder's inputs if there is a codebook. `None`: the decoder ran
                on the targets, and each sample has a prototype of its own.
            classes: bool, whether targets are one-hot classes.
            negatives: without a codebook, `"dissimilar"` weights negative pairs by the dissimilarity of their
                targets, `"all"` weights them equally, as in the paper.
            present: `(batch,)`, 0 for each row that is no sample, because its weight is 0, else 1. Passed if
                samples have weights, to methods that take it.

        Returns:
            `Pairing`, whose `present` and `present_prototypes` the caller fills in.
        """
        raise NotImplementedError

    def compare(self, representations: Tensor, teacher: Tensor, pairing: Pairing) -> tuple[Tensor, Tensor]:
        """Compare the representations of a stage with its teacher's.

        Args:
            representations: firing rates of the stage, `(batch, ...)`.
            teacher: firing rates of the mirrored stage, `(prototypes, ...)`.
            pairing: the result of `pairing` for this batch.

        Returns:
            Loss `(batch,)`, and affinity `(batch, prototypes)`, both float32.
        """
        raise NotImplementedError

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the losses `(batch,)` of representations `y_pred`; `y_true` are the teacher's, row by row."""
        return self.compare(y_pred, y_true, self.pairing(y_true, negatives="all"))[0]

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        if sample_weight is None:
            return super().__call__(y_true, y_pred)
        y_true, y_pred, weights = map(ops.convert_to_tensor, (y_true, y_pred, sample_weight))
        present = present_samples(ops.reshape(weights, (-1,)))
        pairing = pair_samples(self, y_true, negatives="all", present=present)
        losses = self.compare(y_pred, y_true, pairing)[0]
        return SampleLosses(reduction=self.reduction)(losses, losses, weights)


class SampleLosses(keras.losses.Loss):
    """Losses of samples, weighted and reduced as Keras does, also over replicas."""

    def call(self, y_true, y_pred):
        return y_pred


def present_samples(weights):
    """Return 1 for each row that has a weight and 0 for each without, `(batch,)`, or None for None."""
    return None if weights is None else ops.cast(ops.not_equal(weights, 0), "float32")


def pair_samples(layer_loss, targets, concepts=None, classes=False, negatives="dissimilar", present=None):
    """Return the pairing of a layer loss, with the rows that are samples. See `LayerLoss.pairing`."""
    if present is None:
        return layer_loss.pairing(targets, concepts, classes, negatives)
    takes_present = "present" in inspect.signature(layer_loss.pairing).parameters
    options = {"present": present} if takes_present else {}
    pairing = layer_loss.pairing(targets, concepts, classes, negatives, **options)
    return pairing._replace(present=present, present_prototypes=present if concepts is None else None)


def check_layer_loss(layer_loss):
    """Return `layer_loss`, or raise unless it is a `LayerLoss`."""
    if not isinstance(layer_loss, LayerLoss):
        raise ValueError(
            "`layer_loss` must be a keras_bsd.losses.LayerLoss: one of keras_bsd.losses, or a subclass of your "
            f"own with `pairing` and `compare`. Received: layer_loss={layer_loss!r}"
        )
    return layer_loss
