"""Argument checks shared by the public classes; every message says what was expected and received."""

import math
import numbers


def real(name, value, *, low=-math.inf, high=math.inf, low_open=False, high_open=False):
    """Return `value` as a float, or raise unless it is finite and in range."""
    interval = f"{'(' if low_open else '['}{low}, {high}{')' if high_open else ']'}"
    valid = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    valid = valid and (value > low if low_open else value >= low)
    valid = valid and (value < high if high_open else value <= high)
    if not valid:
        raise ValueError(f"`{name}` must be a finite number in {interval}. Received: {name}={value!r}")
    return float(value)


def integer(name, value, *, low=0):
    """Return `value` as an int, or raise unless it is a whole number of at least `low`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < low:
        raise ValueError(f"`{name}` must be an integer of at least {low}. Received: {name}={value!r}")
    return int(value)


def one_of(name, value, known):
    """Return `value`, or raise and list the known ones."""
    if value not in known:
        choices = ", ".join(repr(choice) for choice in known)
        raise ValueError(f"Unknown `{name}`: choose one of {choices}. Received: {name}={value!r}")
    return value


def require_time_axis(layer, shape):
    """Raise unless `shape` is `(batch, time, ...)` with at least one time step."""
    if len(shape) < 2:
        raise ValueError(
            f"{layer} expects inputs of shape (batch, time, ...). Received: shape={tuple(shape)}. "
            "Add a time axis, for example with keras_bsd.encoding.DirectEncoder(timesteps=4)."
        )
    if shape[1] == 0:
        raise ValueError(f"{layer} needs at least one time step. Received: shape={tuple(shape)}")


def shape_matches(shape, expected):
    """Whether a shape is the expected one, in which None stands for any number."""
    return len(shape) == len(expected) and all(
        of in (None, axis) for axis, of in zip(shape, expected, strict=True)
    )
