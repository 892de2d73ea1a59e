"""The comparison of the two networks of a pair on a batch."""

from typing import NamedTuple

from keras import ops

from keras_bsd import _rules
from keras_bsd._types import Tensor
from keras_bsd.losses._layer_loss import SampleLosses
from keras_bsd.models._windows import run_in_windows, steps_to_split


class Distillation(NamedTuple):
    """Result of one training step before any weight changes.

    Attributes:
        scores: the encoder's output, `(batch, ...)`.
        task_loss: scalar, the compiled loss of the encoder's readout.
        recall_loss: scalar, the loss of the decoder's readout.
        stage_losses: list of scalars, one for each pair of stages, in the encoder's order.
        alignments: list of scalars, the mean affinity of the positive pairs, by stage.
        firing_rates: list of scalars, the mean firing rate of the encoder's neurons, by stage.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6), stimulus_range=None)
    >>> model.compile()
    >>> step = model.distil(np.ones((2, 4), "float32"), np.array([0, 2]))
    >>> len(step.stage_losses)
    2
    """

    scores: Tensor
    task_loss: Tensor
    recall_loss: Tensor
    stage_losses: list[Tensor]
    alignments: list[Tensor]
    firing_rates: list[Tensor]

    @property
    def losses(self) -> list[Tensor]:
        """All losses: those of the two readouts, then those of the stages."""
        return [self.task_loss, self.recall_loss, *self.stage_losses]

    @property
    def total(self) -> Tensor:
        """Sum of all losses."""
        return self.task_loss + self.recall_loss + sum(self.stage_losses)

    @property
    def monitored(self) -> list[Tensor]:
        """What the logs have of each stage."""
        return [*self.alignments, *self.firing_rates]


def run_locally(network, inputs, rule):
    """Run a network in training by a local rule; return its outputs and the scope of its stages."""
    steps = steps_to_split(network, inputs, training=True) if rule in _rules.WITHOUT_RECORD else None
    if steps is not None:
        return run_in_windows(network, inputs, rule, steps)
    with _rules.LocalLearning(rule) as scope:
        outputs = network(inputs, training=True)
    return outputs, scope


_mean_of_samples = SampleLosses(name="stage_loss")


def weighted_mean(losses, weights):
    """Return the mean of losses `(batch,)` with weights `(batch,)` or None."""
    return _mean_of_samples(losses, losses, weights)


def expand_weights(weights, stimuli):
    """Return weights with all axes that a Keras loss of stimuli has, `(batch, ..., 1)`, or None."""
    missing = 0 if weights is None else len(stimuli.shape) - 1 - len(weights.shape)
    return ops.reshape(weights, (*ops.shape(weights), *[1] * missing)) if missing > 0 else weights
