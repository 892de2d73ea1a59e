"""The result of comparing the two networks of a pair on a batch."""

from typing import Any, NamedTuple

import keras
from keras import ops


class Distillation(NamedTuple):
    """What one training step computes before any weight changes.

    Attributes:
        scores: the encoder's output, `(batch, ...)`.
        task_loss: scalar, the compiled loss of the encoder's readout.
        recall_loss: scalar, the loss of the decoder's readout.
        stage_losses: list of scalars, one for each pair of stages, in the encoder's order.
        alignments: list of scalars, the mean affinity of each sample with its teacher, by stage.
        firing_rates: list of scalars, spikes per neuron and time step of the encoder, by stage.
    """

    scores: Any
    task_loss: Any
    recall_loss: Any
    stage_losses: list
    alignments: list
    firing_rates: list

    @property
    def total(self):
        """Sum of all losses."""
        return self.task_loss + self.recall_loss + sum(self.stage_losses)


class _MeanOfSamples(keras.losses.Loss):
    """Losses of samples, weighted and averaged as Keras does, replicas included."""

    def call(self, y_true, y_pred):
        return y_pred


_mean_of_samples = _MeanOfSamples(name="stage_loss")


def weighted_mean(losses, weights):
    """Return the mean of losses `(batch,)` with weights `(batch,)` or None."""
    return _mean_of_samples(losses, losses, weights)


def expand_weights(weights, stimuli):
    """Return weights `(batch, 1, ...)` with the axes that a Keras loss of stimuli has, or None."""
    return None if weights is None else ops.reshape(weights, (-1, *[1] * (len(stimuli.shape) - 2)))
