"""State carried from call to call, in whatever model the layers stand.

Outside a scope every call starts at rest. Inside a `StateScope` each layer with state starts from the state
that the scope has for it, and leaves there its state after the last element or time step.
"""

import contextvars

_active = contextvars.ContextVar("keras_bsd_state_scope", default=None)


class StateScope:
    """Scope within which layers carry their state from call to call.

    Recurrent stages and `CausalStandardization` carry their state in every such scope. With `single_step` so
    do all other stages and readouts, which then process one time step: a stage that holds a stimulus holds it
    for one step, and a readout returns the output of the firing rates so far.

    Args:
        states: dict from a layer's path to its list of tensors `(batch, ...)`; layers that are not in it
            start at rest.
        single_step: bool, whether inputs are one time step, `(batch, 1, ...)` where they have a time axis.

    Attributes:
        initial_states: dict of the states that the layers started from.
        states: dict of the states that they ended with.

    Example:

    >>> encoder = keras_bsd.applications.SpikingForecaster(8, 2, 1, units=(4,)).encoder
    >>> series = keras.random.normal((1, 8, 1))
    >>> with keras_bsd.StateScope() as first:
    ...     forecast = encoder(series)
    >>> with keras_bsd.StateScope(first.states):
    ...     forecast = encoder(series)  # as after 16 elements
    """

    def __init__(self, states=None, single_step=False):
        self.initial_states, self.states = dict(states or {}), {}
        self.single_step = single_step

    def __enter__(self):
        self._token = _active.set(self)
        return self

    def __exit__(self, *exception):
        _active.reset(self._token)


def is_single_step():
    """Return whether the innermost scope asks for one time step."""
    scope = _active.get()
    return scope is not None and scope.single_step


def initial_state(layer, batch_size):
    """Return the state that `layer` starts from: the scope's, or `layer.get_initial_state(batch_size)`."""
    scope = _active.get()
    if scope is None:
        return layer.get_initial_state(batch_size)
    return scope.initial_states.setdefault(layer.path, layer.get_initial_state(batch_size))


def store_state(layer, states):
    """Record the state that `layer` ended with in the scope, if there is one."""
    scope = _active.get()
    if scope is not None:
        scope.states[layer.path] = list(states)
