"""State that layers carry from call to call, whatever model they are in.

Outside a scope every call starts at rest. Inside a `StateScope` each layer with state starts from the state
that the scope holds for it, and stores there its state after the last element or time step.
"""

from __future__ import annotations

import contextvars
from typing import Any

from keras_bsd._types import Layer, Tensor

_active: contextvars.ContextVar[StateScope | None] = contextvars.ContextVar(
    "keras_bsd_state_scope", default=None
)


class StateScope:
    """Scope within which layers carry their state from call to call.

    `SpikingRecurrent` and `CausalStandardization` carry their state in every such scope. With `single_step` so
    do all other stages and readouts, which then process one time step: a stage that holds a stimulus holds it
    for one step, and a readout returns the output for the firing rates so far.

    Args:
        states: dict from a layer's path to its list of tensors `(batch, ...)`; layers that are not in it start
            at rest.
        single_step: bool, whether inputs are one time step, `(batch, 1, ...)` where they have a time axis.

    Attributes:
        initial_states: dict of the states that the layers started from.
        states: dict of the states that the layers ended with.

    Example: a series in two parts.

    >>> stage = keras_bsd.layers.SpikingRecurrent(4, timesteps=2)
    >>> series = keras.random.normal((1, 6, 3))
    >>> whole = stage(series)
    >>> with keras_bsd.StateScope() as first:
    ...     beginning = stage(series[:, :4])
    >>> with keras_bsd.StateScope(first.states):
    ...     end = stage(series[:, 4:])
    >>> bool(ops.all(end == whole[:, 4:]))
    True
    """

    def __init__(self, states: dict[str, list[Tensor]] | None = None, single_step: bool = False) -> None:
        self.initial_states: dict[str, list[Tensor]] = dict(states or {})
        self.states: dict[str, list[Tensor]] = {}
        self.single_step = single_step

    def __enter__(self) -> StateScope:
        self._token = _active.set(self)
        return self

    def __exit__(self, *exception: Any) -> None:
        _active.reset(self._token)


def is_single_step() -> bool:
    """Return whether the innermost scope asks for one time step."""
    scope = _active.get()
    return scope is not None and scope.single_step


def initial_state(layer: Layer, batch_size: int) -> list[Tensor]:
    """Return the state that `layer` starts from: the scope's, or `layer.get_initial_state(batch_size)`."""
    scope = _active.get()
    if scope is None:
        return layer.get_initial_state(batch_size)
    return scope.initial_states.setdefault(layer.path, layer.get_initial_state(batch_size))


def store_state(layer: Layer, states: list[Tensor]) -> None:
    """Store the state that `layer` ended with in the scope, if there is one."""
    scope = _active.get()
    if scope is not None:
        scope.states[layer.path] = list(states)
