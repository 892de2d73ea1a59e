"""Backpropagation through time, the reference that local rules are compared with."""

import keras

from keras_bsd import _rules
from keras_bsd._types import Function, Tensor
from keras_bsd.baselines._base import Baseline, TrainingStep


@keras.saving.register_keras_serializable("keras_bsd")
class Backprop(Baseline):
    """Backpropagation through time with surrogate gradients, what `encoder.fit` does.

    The gradient of the task's loss passes through all stages and all time steps. Nothing of it is local:
    errors need the transposed feedforward weights, the activity of every stage and time step, and a phase of
    their own.

    Args:
        encoder, task, stimulus_range, check_numerics, **kwargs: see `Baseline`.

    Example:

    >>> encoder = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6)).encoder
    >>> model = keras_bsd.baselines.Backprop(encoder)
    >>> model.compile(keras.optimizers.AdamW(3e-3), metrics=["accuracy"])
    >>> tuple(model(np.zeros((2, 4))).shape)
    (2, 3)

    Source: Neftci, Mostafa and Zenke, "Surrogate gradient learning in spiking neural networks", IEEE Signal
    Processing Magazine 2019.
    """

    title = "backpropagation through time"

    def compute_step(self, x: Tensor, y: Tensor, sample_weight: Tensor | None = None) -> TrainingStep:
        self._guard.checks.check_axes(x, y)
        with self._scope(_rules.surrogate_rule) as scope:
            scores = self.encoder(x, training=True)
        task_loss = self.compute_loss(x, y, scores, sample_weight, training=True)
        weights = self._row_weights(x, sample_weight, scope.masks)
        return TrainingStep(scores, task_loss, [], self._firing_rates(scope, weights))

    def _scope(self, rule: Function) -> _rules.LocalLearning:
        """Return a scope in which gradients pass from stage to stage."""
        return _rules.LocalLearning(rule, is_local=False)
