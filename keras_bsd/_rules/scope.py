"""The scope of local learning, in which each stage is detached from the one before it.

Outside the scope a spiking stage passes gradients on, so that a network of stages learns by backpropagation
through time like any Keras model. Inside a `LocalLearning` scope each stage stops the gradient at its input
and records its *representation*, the firing rates of its neurons, in the scope. A loss on a representation
then reaches the weights of that one stage and no other. Rules that do pass errors from stage to stage use a
scope with `is_local=False`, which only records.
"""

from __future__ import annotations

import contextvars
from typing import Any, Self

from keras import ops

from keras_bsd._types import Function, Layer, Tensor

_active: contextvars.ContextVar[LocalLearning | None] = contextvars.ContextVar(
    "keras_bsd_local_learning", default=None
)


class LocalLearning:
    """Scope within which stages learn locally.

    Args:
        rule: function `(stage, inputs, training) -> (spikes, representation)`, such as a value of `RULES`.
        is_local: bool, whether stages stop the gradient at their inputs.

    Attributes:
        representations: dict from each stage called within the scope to its firing rates `(batch, ...)`, in
            calling order.
        masks: dict from each stage whose input is masked, readouts included, to its mask.
    """

    def __init__(self, rule: Function, is_local: bool = True) -> None:
        self._rule, self.is_local = rule, is_local
        self.representations: dict[Layer, Tensor] = {}
        self.masks: dict[Layer, Tensor] = {}

    def __enter__(self) -> Self:
        self._token = _active.set(self)
        return self

    def __exit__(self, *exception: Any) -> None:
        _active.reset(self._token)

    def run_stage(self, stage: Layer, inputs: Tensor, training: bool) -> Tensor:
        """Run `stage` by the rule on detached inputs, record its representation, and return its spikes."""
        if stage in self.representations:
            raise ValueError(
                f"Stage '{stage.name}' must be called once, since it has one representation and one teacher. "
                "Received: a second call in the same network. Make a stage for each call."
            )
        spikes, self.representations[stage] = self._rule(stage, inputs, training)
        return spikes

    def rates(self, readout: Layer, inputs: Tensor) -> Tensor:
        """Return the mean over time of a readout's inputs `(batch, time, ...)`."""
        return readout.rates(inputs)

    def apply_layer(self, layer: Layer, inputs: Tensor, **options: Any) -> Tensor:
        """Return the output of a layer of a synapse."""
        return layer(inputs, **options)


def active_scope() -> LocalLearning | None:
    """Return the innermost `LocalLearning` scope, or None."""
    return _active.get()


def record_mask(stage: Layer, mask: Tensor) -> None:
    """Record the mask of a stage's input in the innermost scope, if there is one."""
    scope = active_scope()
    if scope is not None:
        scope.masks[stage] = mask


def cut_gradient(inputs: Tensor) -> Tensor:
    """Return `inputs`, detached inside a local scope: the boundary between stages."""
    scope = active_scope()
    return inputs if scope is None or not scope.is_local else ops.stop_gradient(inputs)


def apply_layer(layer: Layer, inputs: Tensor, **options: Any) -> Tensor:
    """Return the output of a layer of a synapse, which the innermost scope may compute in its own way."""
    scope = active_scope()
    return layer(inputs, **options) if scope is None else scope.apply_layer(layer, inputs, **options)
