"""The loop over time of neurons and recurrent stages."""

import contextlib
import contextvars
import math
from contextlib import AbstractContextManager

from keras import ops

# Compilers fuse an unrolled loop. A longer one stays a loop, so that the graph stays small.
LONGEST_UNROLLED = 32

_unrolled = contextvars.ContextVar("keras_bsd_unrolled", default=0.0)
_at_once = contextvars.ContextVar("keras_bsd_at_once", default=False)
_held_steps = contextvars.ContextVar[int | None]("keras_bsd_held_steps", default=None)


@contextlib.contextmanager
def _set_within(variable, value):
    """Give a context variable a value within the block."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def unrolled() -> AbstractContextManager[None]:
    """Unroll every loop of known length within the block."""
    return _set_within(_unrolled, math.inf)


def at_once() -> AbstractContextManager[None]:
    """Process all time steps at once within the block: what a loop computes cannot be taken out of it."""
    return _set_within(_at_once, True)


def is_at_once() -> bool:
    """Return whether all time steps are to be processed at once."""
    return _at_once.get()


def holding(steps: int) -> AbstractContextManager[None]:
    """Hold stimuli for a window of `steps` time steps within the block, whatever the stages' `timesteps`."""
    return _set_within(_held_steps, steps)


def hold(currents, steps):
    """Return currents `(batch, 1, ...)` at every one of `steps` time steps, `(batch, steps, ...)`."""
    steps = _held_steps.get() or steps
    shape = ops.shape(currents)
    if _unrolled.get():  # exports then have no shapes to compute at inference
        return currents + ops.zeros((1, steps, *[1] * (len(shape) - 2)), currents.dtype)
    return ops.broadcast_to(currents, (shape[0], steps, *shape[2:]))


def batch_size_at_rest(currents):
    """Return the batch size of the state before the first of unrolled or other time steps.

    Unrolled, a state at rest is broadcast, for the same reason as in `hold`.
    """
    return 1 if _unrolled.get() and isinstance(currents.shape[1], int) else ops.shape(currents)[0]


def scan_over_time(step, states, sequences, unroll=None):
    """Carry states along the time axis of sequences.

    Args:
        step: function `(states, inputs) -> (outputs, states)` of lists of tensors without the time axis. There
            are as many outputs as states and of the same shapes, which every backend's loop can stack.
        states: list of tensors `(batch, ...)`.
        sequences: list of values `(batch, time, ...)`, and with a mask its booleans `(batch, time)`.
        unroll: int, the length of the longest loop to unroll (default 32).

    Returns:
        List of outputs `(batch, time, ...)`, and the final states.
    """
    steps = sequences[0].shape[1]
    longest = max(LONGEST_UNROLLED if unroll is None else unroll, _unrolled.get())
    if isinstance(steps, int) and steps <= longest:
        outputs = []
        for t in range(steps):
            output, states = step(states, [sequence[:, t] for sequence in sequences])
            outputs.append(output)
        return [ops.stack(output, axis=1) for output in zip(*outputs, strict=True)], states
    packed, unpack = _pack(*sequences)
    states, outputs = ops.scan(
        lambda states, inputs: step(states, unpack(inputs))[::-1],
        states,
        ops.swapaxes(packed, 0, 1),
        length=steps,
    )
    return [ops.swapaxes(output, 0, 1) for output in outputs], states


def _pack(values, mask=None):
    """Return values and their mask as one tensor, and a function that returns both of one time step.

    Keras's loop on TensorFlow takes several sequences only if their length is known.
    """
    if mask is None:
        return values, lambda step: [step]
    shape = ops.shape(values)
    flat = ops.reshape(values, (shape[0], shape[1], math.prod(values.shape[2:])))
    packed = ops.concatenate([flat, ops.cast(mask, values.dtype)[:, :, None]], axis=-1)
    return packed, lambda step: [ops.reshape(step[:, :-1], (-1, *values.shape[2:])), step[:, -1] > 0.5]
