"""Means over the samples that are present: those whose weight is not zero."""

from keras import ops


def mean_of_present(values, present=None, axis=0, keepdims=False):
    """Return the mean along one axis, over the entries that are present.

    Args:
        values: tensor.
        present: `(entries,)`, 1 or 0 for each entry along the axis. `None`: all are present.
        axis: int.
        keepdims: bool.
    """
    if present is None:
        return ops.mean(values, axis=axis, keepdims=keepdims)
    shape = [1] * len(values.shape)
    shape[axis] = -1
    present = ops.cast(present, values.dtype)
    total = ops.sum(values * ops.reshape(present, shape), axis=axis, keepdims=keepdims)
    return total / ops.maximum(ops.sum(present), 1)
