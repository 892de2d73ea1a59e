"""Spatial backpropagation: gradients through the stages, at each time step by itself."""

from typing import ClassVar

import keras
from keras import ops

from keras_bsd import _rules
from keras_bsd._types import Function, Model, Tensor
from keras_bsd.baselines._base import Baseline, TrainingStep, first_recurrent
from keras_bsd.layers._masks import active_mask
from keras_bsd.layers._readout import Readout
from keras_bsd.layers._stage import flatten_stages, walk
from keras_bsd.models._spiking_model import Task


@keras.saving.register_keras_serializable("keras_bsd")
class SpatialBackprop(Baseline):
    """Backpropagation through the stages at each time step, without gradients through time.

    The readout is applied to the spikes of each time step, with the task's loss for each, and the membrane of
    the step before counts as a constant: with the errors `delta` of the currents, the update at time step `t`
    is the product of `delta[t]` and the spikes `s[t]` before the synapse. It is online, since nothing of it
    needs later time steps. In space it is backpropagation.

    Args:
        encoder, task, stimulus_range, check_numerics, **kwargs: see `Baseline`. The encoder has no recurrent
            stages, and ends in its readout.

    Example:

    >>> encoder = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6)).encoder
    >>> model = keras_bsd.baselines.SpatialBackprop(encoder)
    >>> model.compile(keras.optimizers.AdamW(3e-3), metrics=["accuracy"])
    >>> tuple(model(np.zeros((2, 4))).shape)
    (2, 3)

    Source: Xiao et al., "Online training through time for spiking neural networks", NeurIPS 2022, without the
    traces of `OTTT`.
    """

    title = "backpropagation through stages at each time step"
    uncounted: ClassVar[tuple[str, ...]] = ("the readout at each time step",)

    @classmethod
    def obstacle(cls, encoder: Model, task: Task) -> str | None:
        last = list(walk(encoder))[-1]
        if not isinstance(last, Readout):
            readout = flatten_stages(encoder, Readout)[-1].name
            return f"the rule applies readout '{readout}' at each time step, and layer '{last.name}' follows it"
        return first_recurrent(encoder)

    def compute_step(self, x: Tensor, y: Tensor, sample_weight: Tensor | None = None) -> TrainingStep:
        self._guard.checks.check_axes(x, y)
        with _EachStep(self._rule()) as scope:
            by_step = self.encoder.call(x, training=True)  # as many rows as time steps
        (readout,) = flatten_stages(self.encoder, Readout)
        scores = ops.stop_gradient(readout.scores(scope.mean_rates))
        targets, weights = (
            None if values is None else ops.repeat(values, scope.steps, axis=0) for values in (y, sample_weight)
        )
        task_loss = self.compute_loss(x, targets, by_step, weights, training=True)
        rates = self._firing_rates(scope, self._row_weights(x, sample_weight, scope.masks))
        return TrainingStep(scores, task_loss, [], rates)

    def _rule(self) -> Function:
        return spatial_rule


def spatial_rule(stage, inputs, training):
    """Return spikes and firing rates; no gradient passes from one time step to the next."""
    spikes = stage.fire(stage.currents(inputs, training), cut_time=True)
    return spikes, stage.firing_rates(spikes)


class _EachStep(_rules.LocalLearning):
    """Scope in which gradients pass from stage to stage, and the readout takes each time step as a sample."""

    def __init__(self, rule):
        super().__init__(rule, is_local=False)

    def rates(self, readout, inputs):
        if active_mask() is not None:
            raise ValueError(
                f"Readout '{readout.name}' has a loss at each time step, and masked ones have none. Received: "
                'a mask. Train with rule "backprop" or a local rule, or on stimuli without padding.'
            )
        self.steps = ops.shape(inputs)[1]
        self.mean_rates = ops.stop_gradient(readout.rates(inputs))
        return ops.reshape(inputs, (-1, *inputs.shape[2:]))
