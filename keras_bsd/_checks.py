"""Checks of arguments; every error names what was expected and what was received."""

import math
import numbers
from collections.abc import Collection, Sequence
from typing import Any

from keras_bsd._types import Shape


def real(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Return `value` as a float, or raise unless it is finite and in range."""
    interval = f"{'(' if low_open else '['}{low}, {high}{')' if high_open else ']'}"
    valid = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    valid = valid and (value > low if low_open else value >= low)
    valid = valid and (value < high if high_open else value <= high)
    if not valid:
        raise ValueError(f"`{name}` must be a finite number in {interval}. Received: {name}={value!r}")
    return float(value)


def integer(name: str, value: Any, *, low: int = 0) -> int:
    """Return `value` as an int, or raise unless it is a whole number of at least `low`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < low:
        raise ValueError(f"`{name}` must be an integer of at least {low}. Received: {name}={value!r}")
    return int(value)


def one_of(name: str, value: Any, known: Collection[Any]) -> Any:
    """Return `value`, or raise an error that lists the `known` values."""
    if value not in known:
        choices = ", ".join(repr(choice) for choice in known)
        raise ValueError(f"Unknown `{name}`: choose one of {choices}. Received: {name}={value!r}")
    return value


def require_time_axis(layer: str, shape: Sequence[int | None]) -> None:
    """Raise unless `shape` is `(batch, time, ...)` with at least one time step."""
    if len(shape) < 2:
        raise ValueError(
            f"{layer} expects inputs of shape (batch, time, ...). Received: shape={tuple(shape)}. "
            "Add a time axis, for example with keras_bsd.encoding.DirectEncoder(timesteps=4)."
        )
    if shape[1] == 0:
        raise ValueError(f"{layer} needs at least one time step. Received: shape={tuple(shape)}")


def shape_matches(shape: Sequence[int], expected: Shape) -> bool:
    """Return whether a shape is the expected one, in which None matches any length."""
    return len(shape) == len(expected) and all(
        length in (None, axis) for axis, length in zip(shape, expected, strict=True)
    )
