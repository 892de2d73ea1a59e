"""Carried state: recurrent layers that go on where they left off, in any model they stand in.

Called on their own, recurrent layers begin every sequence at rest. Inside a `CarriedState` scope each
takes up the state that the scope has of it, and leaves there its state after the last element.
"""

import contextvars

_active = contextvars.ContextVar("keras_bsd_carried_state", default=None)


class CarriedState:
    """Scope within which recurrent layers carry their state.

    Args:
        states: dict from a layer's path to its list of tensors `(batch, ...)`; what is not in it is at
            rest.

    Attributes:
        begun: dict of the states that the layers began with.
        states: dict of the states that they ended with.

    Example:

    >>> with keras_bsd.carrying.CarriedState() as first:
    ...     encoder(beginning)
    >>> with keras_bsd.carrying.CarriedState(first.states):
    ...     encoder(continuation)
    """

    def __init__(self, states=None):
        self.begun, self.states = dict(states or {}), {}

    def __enter__(self):
        self._token = _active.set(self)
        return self

    def __exit__(self, *exception):
        _active.reset(self._token)


def begin(layer, batch_size):
    """The state that `layer` is to begin with, by `layer.get_initial_state` unless one was carried here."""
    scope = _active.get()
    if scope is None:
        return layer.get_initial_state(batch_size)
    return scope.begun.setdefault(layer.path, layer.get_initial_state(batch_size))


def end(layer, states):
    """Leave the state that `layer` has come to with the scope, if there is one."""
    scope = _active.get()
    if scope is not None:
        scope.states[layer.path] = list(states)
