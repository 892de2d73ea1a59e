"""Local learning: every stage cut off from the one before, and what each says of a sample.

Called on its own, a spiking stage passes gradients on, so that a network of stages learns by
backpropagation through time like any Keras model. Inside a `LocalLearning` scope each stage cuts
its input off and leaves its *representation*, the firing rates of its neurons, with the scope. A
loss on a representation then reaches the weights of that one stage and no other.
"""

import contextvars

from keras import ops

_active = contextvars.ContextVar("keras_bsd_local_learning", default=None)


def surrogate_rule(stage, inputs, training):
    """Firing rates with their exact surrogate gradient, through the time loop of this stage."""
    spikes = stage.run(inputs, training)
    return spikes, stage.firing_rates(spikes)


def rate_rule(stage, inputs, training):
    """Firing rates whose gradient is taken at the mean current, with no tape over time.

    The value is the true rate; the derivative is the surrogate's at the time-averaged current,
    centred where a neuron fires at every other step. A weight's update is then one product of
    presynaptic rate and local error, whatever the number of time steps.
    """
    spikes, mean_current = stage.observe(inputs, training)
    rates = stage.firing_rates(spikes)
    cell = stage.neuron.cell
    half_rate = cell.threshold / (1 + cell.leak)  # the constant current that fires at every other step
    response = ops.cast(cell.surrogate(mean_current - half_rate), rates.dtype)
    return spikes, ops.stop_gradient(rates - response) + response


RULES = {"rate": rate_rule, "surrogate": surrogate_rule}


class LocalLearning:
    """Scope within which stages learn locally.

    Args:
        rule: function `(stage, inputs, training) -> (spikes, representation)`, one of `RULES`.

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

    def fire(self, stage, inputs, training):
        """Run `stage` by the rule on inputs already cut off; keep its representation."""
        spikes, self.representations[stage.name] = self._rule(stage, inputs, training)
        return spikes


def active():
    """The innermost `LocalLearning` scope, or None."""
    return _active.get()


def cut(inputs):
    """The boundary between stages: no gradient passes it inside a `LocalLearning` scope."""
    return inputs if active() is None else ops.stop_gradient(inputs)
