"""The scope of local learning: each stage is cut off from the one before it.

Outside the scope a spiking stage passes gradients on, so that a network of stages learns by backpropagation
through time like any Keras model. Inside a `LocalLearning` scope each stage stops the gradient at its input
and records its *representation*, the firing rates of its neurons, in the scope. A loss on a representation
then reaches the weights of that one stage and no other.
"""

import contextvars

from keras import ops

_active = contextvars.ContextVar("keras_bsd_local_learning", default=None)


class LocalLearning:
    """Scope within which stages learn locally.

    Args:
        rule: function `(stage, inputs, training) -> (spikes, representation)`, a value of `RULES`.

    Attributes:
        representations: dict from the name of each stage called within the scope to its firing
            rates `(batch, ...)`, in calling order.
    """

    def __init__(self, rule):
        self._rule = rule
        self.representations = {}

    def __enter__(self):
        self._token = _active.set(self)
        return self

    def __exit__(self, *exception):
        _active.reset(self._token)

    def run_stage(self, stage, inputs, training):
        """Run `stage` by the rule on detached inputs, and record its representation."""
        spikes, self.representations[stage.name] = self._rule(stage, inputs, training)
        return spikes


def active_scope():
    """Return the innermost `LocalLearning` scope, or None."""
    return _active.get()


def cut_gradient(inputs):
    """Return `inputs`, detached inside a `LocalLearning` scope: the boundary between stages."""
    return inputs if active_scope() is None else ops.stop_gradient(inputs)
