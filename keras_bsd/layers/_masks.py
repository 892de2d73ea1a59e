"""Masks of time steps and of elements: false where a sequence is padded."""

import contextlib
import contextvars
from collections.abc import Iterator

from keras import ops

from keras_bsd._types import Tensor

_active: contextvars.ContextVar[Tensor | None] = contextvars.ContextVar("keras_bsd_mask", default=None)


@contextlib.contextmanager
def masked(mask: Tensor | None) -> Iterator[None]:
    """Let a stage's methods know the mask of its input, `(batch, time)` or `(batch, elements)`, or None."""
    token = _active.set(mask)
    try:
        yield
    finally:
        _active.reset(token)


def active_mask() -> Tensor | None:
    """Return the mask of the input of the stage that is called, or None."""
    return _active.get()


def mean_over_time(values):
    """Return the mean of `values` `(batch, time, ...)` over all time steps, or those of the active mask."""
    mask = active_mask()
    if mask is None:
        return ops.mean(values, axis=1)
    mask = ops.cast(expand_like(mask, values), values.dtype)
    return ops.sum(values * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1)


def expand_like(mask, values):
    """Return a mask with as many axes as `values`, whose first axes it has."""
    return ops.reshape(mask, (*ops.shape(mask), *[1] * (len(values.shape) - len(mask.shape))))


def mask_of(values, mask):
    """Return the mask of `values` `(batch, elements, ...)`, booleans whose sizes are known where theirs are.

    TensorFlow's loops reject a state that becomes better known than it was before.
    """
    return ops.cast(ops.reshape(mask, ops.shape(values)[:2]), "bool")


def gather(values, indices):
    """Return `values` `(batch, elements, ...)` at each sample's indices `(batch, n)`, `(batch, n, ...)`."""
    shape = ops.shape(values)[2:]
    indices = ops.broadcast_to(expand_like(indices, values), (*ops.shape(indices), *shape))
    return ops.take_along_axis(values, indices, axis=1)


def count_elements(mask):
    """Return the number of elements of each sample, `(batch, 1)`."""
    return ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)


def unmasked_first(mask):
    """Return indices `(batch, elements)` that put the elements of the mask first, all in their order."""
    position = ops.arange(ops.shape(mask)[1], dtype="int32")[None]
    return ops.argsort(ops.where(mask, position, position + ops.shape(mask)[1]), axis=1)


def take_last(values, mask):
    """Return `values` `(batch, elements, ...)` at the last element, or the last where a mask is true."""
    if mask is None:
        return values[:, -1]
    position = ops.arange(ops.shape(mask)[1], dtype="int32")[None]
    last = ops.max(ops.where(mask, position, ops.zeros_like(position)), axis=1)
    return gather(values, last[:, None])[:, 0]
