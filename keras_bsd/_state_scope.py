"""State that layers carry from call to call, whatever model they are in.

Outside a scope every call starts at rest. Inside a `StateScope` each layer with state starts from the state
that the scope holds for it, and stores there its state after the last element or time step.
"""

from __future__ import annotations

import contextvars
from typing import Any

from keras import ops

from keras_bsd._arrays import check_finite, known_values
from keras_bsd._backend import with_batch_size
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
            at rest. Where several layers have the same path, all but the first called have a number behind it.
        single_step: bool, whether inputs are one time step, `(batch, 1, ...)` where they have a time axis.

    Attributes:
        initial_states: dict of the states that the layers started from.
        states: dict of the states that the layers ended with.

    Raises:
        ValueError: a state is not finite or has another shape or batch size than its layer's, or, at the end of
            the scope, is of a layer that has not been called. On TensorFlow a compiled function that does not
            know the batch size raises `tf.errors.InvalidArgumentError` as it runs.

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
        for path, tensors in self.initial_states.items():
            for values in map(known_values, tensors):
                if values is not None:
                    check_finite(f"states[{path!r}]", values)
        self.states: dict[str, list[Tensor]] = {}
        self.single_step = single_step
        self._keys: dict[Layer, str] = {}

    def __enter__(self) -> StateScope:
        self._token = _active.set(self)
        return self

    def __exit__(self, *exception: Any) -> None:
        _active.reset(self._token)
        unknown = self.initial_states.keys() - self._keys.values()
        if unknown and exception[0] is None:
            raise ValueError(
                "`states` must be those of layers that are called in the scope, by path. "
                f"Received: states of {_quoted(sorted(unknown))}; layers called: "
                f"{_quoted(self._keys.values()) or 'none with state'}"
            )

    def _key(self, layer):
        """Return the layer's path, with a number if the scope has seen that of another layer."""
        if layer not in self._keys:
            same = sum(other.path == layer.path for other in self._keys)
            self._keys[layer] = f"{layer.path}_{same + 1}" if same else layer.path
        return self._keys[layer]

    def _start(self, layer, rest, batch_size):
        """Return the state that `layer` starts from, given its state at rest."""
        states = self.initial_states.setdefault(self._key(layer), rest)
        if states is rest:
            return rest
        shapes, expected = ([tuple(state.shape[1:]) for state in group] for group in (states, rest))
        if shapes != expected:
            raise ValueError(
                f"The state of layer '{layer.path}' must be tensors {_with_batch(expected)}. "
                f"Received: {_with_batch(shapes)}"
            )
        message = f"The state of layer '{layer.path}' must have a row for each sample of the call's batch."
        return [with_batch_size(ops.convert_to_tensor(state), batch_size, message) for state in states]


def _quoted(names):
    return ", ".join(map(repr, names))


def _with_batch(shapes):
    return " and ".join(f"(batch, {', '.join(map(str, shape))})" for shape in shapes)


def is_single_step() -> bool:
    """Return whether the innermost scope asks for one time step."""
    scope = _active.get()
    return scope is not None and scope.single_step


def initial_state(layer: Layer, batch_size: int) -> list[Tensor]:
    """Return the state that `layer` starts from: the scope's, or `layer.get_initial_state(batch_size)`."""
    scope, rest = _active.get(), layer.get_initial_state(batch_size)
    return rest if scope is None else scope._start(layer, rest, batch_size)


def store_state(layer: Layer, states: list[Tensor]) -> None:
    """Store the state that `layer` ended with in the scope, if there is one."""
    scope = _active.get()
    if scope is not None:
        scope.states[scope._key(layer)] = list(states)
