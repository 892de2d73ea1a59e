"""Checks of the values of arrays; every error names what was expected and what was received."""

import math
from typing import Any

import keras
import numpy as np

from keras_bsd._backend import concrete
from keras_bsd._types import Array

_GREATEST = 1e18


def known_values(tensor: Any) -> Array | None:
    """Return a tensor's values as an array, or None where a function is traced or a model is built."""
    if isinstance(tensor, np.ndarray):
        return tensor
    return None if keras.utils.is_keras_tensor(tensor) else concrete(tensor)


def as_samples(name: str, values: Any) -> Array:
    """Return data as an array with a batch axis, or raise unless it is one of numbers."""
    try:
        array = np.asarray(values)
    except ValueError as error:  # of lists of different lengths
        raise ValueError(f"`{name}` must be an array of numbers. Received: {error}") from error
    if not array.ndim:
        raise ValueError(f"`{name}` must be an array with a batch axis. Received: {name}={values!r}")
    as_numbers(f"`{name}`", array)
    return array


def as_numbers(name: str, values: Array, expected: str = "numbers") -> Array:
    """Return an array, of bfloat16 as float32, or raise unless it holds numbers or booleans."""
    if values.dtype.name == "bfloat16":  # no number to NumPy: its kind is "V"
        return values.astype("float32")
    if values.dtype.names:
        raise ValueError(
            f"{name} must be {expected}. Received: a structured array of {', '.join(values.dtype.names)}. "
            "Count events in frames first, (batch, time, height, width, polarity)."
        )
    if values.dtype.kind not in "buif":
        first = f", such as {values.flat[0]}" if values.size else ""
        raise ValueError(f"{name} must be {expected}. Received: dtype={values.dtype}{first}")
    return values


def check_finite(name: str, values: Array) -> tuple[float, float] | tuple[None, None]:
    """Return the least and the greatest value as floats (None if there is none), or raise unless finite."""
    values = as_numbers(f"`{name}`", np.atleast_1d(values))
    if not values.size:
        return None, None
    least, greatest = float(values.min()), float(values.max())
    if not math.isfinite(least) or not math.isfinite(greatest):  # NaN is the minimum of what it is among
        finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
        raise ValueError(
            f"`{name}` must be finite. Received: NaN or infinity in {np.count_nonzero(~finite)} of "
            f"{len(finite)} samples, the first at index {np.argmin(finite)}. No weight has changed: remove or "
            "replace these samples."
        )
    if max(-least, greatest) > _GREATEST:
        raise ValueError(
            f"`{name}` must lie within {_GREATEST:g}, so that its square is finite in single precision. "
            f"Received: values from {least:g} to {greatest:g}"
        )
    return least, greatest


def check_ids(name: str, ids: Array, count: int, remedy: str = "") -> None:
    """Raise unless ids are integers, of any type, in `[0, count - 1]`.

    Args:
        name: what the ids are, such as `"Classes"`.
        ids: array.
        count: int.
        remedy: what to do if they are no integers.
    """
    ids = np.atleast_1d(ids)
    if not ids.size:
        return
    expected = f"integers{remedy and '; ' + remedy}"
    ids = as_numbers(name, ids, expected)
    fractions = ids[ids != np.round(ids)] if ids.dtype.kind == "f" else ids[:0]
    if fractions.size:
        raise ValueError(f"{name} must be {expected}. Received: {ids.dtype} such as {fractions.flat[0]}")
    if not (ids.min() >= 0 and ids.max() < count):
        raise ValueError(
            f"{name} must lie in [0, {count - 1}]. Received: values from {ids.min():g} to {ids.max():g}"
        )


def lie_within(least: float, greatest: float, low: float, high: float) -> bool:
    """Return whether values lie in an interval, but for rounding, such as of images that were rotated."""
    slack = 1e-3 * (high - low) if math.isfinite(high - low) else 0.0
    return low - slack <= least and greatest <= high + slack
