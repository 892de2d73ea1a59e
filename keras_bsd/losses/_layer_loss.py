"""The contract between a layer loss and the pair that it trains."""

from typing import Any, NamedTuple

import keras

NEGATIVES = ("dissimilar", "all")


class Pairing(NamedTuple):
    """How the samples of a batch relate to the teacher's prototypes, the same for all stages.

    Attributes:
        positives: `(batch, prototypes)` in [0, 1], 1 where sample and prototype have the same concept.
        terms: what else the loss has computed from the targets, in a form of its own.
    """

    positives: Any
    terms: Any = None


class LayerLoss(keras.losses.Loss):
    """Base class of losses between a stage and its teacher.

    A training step calls `pairing` once with the targets, and `compare` with its result for each pair of stages.
    As a Keras loss it compares row by row: `loss(teacher, representations)`.
    """

    def pairing(self, targets, concepts=None, classes=False, negatives="dissimilar"):
        """Relate samples to prototypes by their targets.

        Args:
            targets: `(batch, ...)`, one-hot classes or continuous values.
            concepts: `(prototypes, ...)`, the decoder's inputs if there is a codebook. `None`: the decoder ran on
                the targets, and each sample has a prototype of its own.
            classes: bool, whether targets are one-hot classes.
            negatives: without a codebook, `"dissimilar"`: pairs of samples are pushed apart as far as their targets
                differ; `"all"`: all pairs are, as in the paper.

        Returns:
            `Pairing`.
        """
        raise NotImplementedError

    def compare(self, representations, teacher, pairing):
        """Compare a stage with its teacher.

        Args:
            representations: firing rates of the stage, `(batch, ...)`.
            teacher: firing rates of the mirrored stage, `(prototypes, ...)`.
            pairing: what `pairing` returned for this batch.

        Returns:
            Loss `(batch,)`, and affinity `(batch, prototypes)`, both float32.
        """
        raise NotImplementedError
