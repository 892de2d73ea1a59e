"""Events of a sensor as structured arrays: their fields, and checks of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_bsd import _checks
from keras_bsd._types import Array

CAMERA = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?")])  # of every reader and simulation
COCHLEA = np.dtype([("t", "<i8"), ("x", "<i2")])  # a line of units, without polarity


def make_events(dtype: np.dtype, **fields: Any) -> Array:
    """Return a structured array of the given fields.

    Raises:
        ValueError: a coordinate does not fit into its field.
    """
    events = np.empty(len(fields["t"]), dtype)
    for name, values in fields.items():
        if name in "xy" and len(values) and np.max(values) > np.iinfo(dtype[name]).max:
            raise ValueError(f"`{name}` must be below 32768. Received: {name}={np.max(values)}")
        events[name] = values
    return events


def check_fields(events: Any, needed: Sequence[str] = ("t", "x"), name: str = "events") -> Array:
    """Return events, or raise unless they are a structured array `(events,)` with the fields `needed`."""
    names = getattr(getattr(events, "dtype", None), "names", None)
    if names is None or events.ndim != 1:
        raise ValueError(
            f"`{name}` must be a NumPy structured array (events,) with the fields {', '.join(needed)}, and p "
            f"for polarity. Received: {_describe(events)}. Columns of numbers become fields by "
            "np.rec.fromarrays([t, x, y, p], names='t,x,y,p')."
        )
    missing = [field for field in needed if field not in names]
    if missing:
        raise ValueError(
            f"`{name}` must have the fields {', '.join(needed)}. Received: fields {', '.join(names)}, without "
            f"{', '.join(missing)}. Events of a line of units, without y, need sensor_size=(units,)."
        )
    return events


def fields_of(events: Array) -> tuple[str, ...]:
    """Return the names of the fields of a structured array."""
    return events.dtype.names or ()


def _describe(events):
    if isinstance(events, np.ndarray):
        return f"an array of shape {events.shape}, dtype {events.dtype}"
    return f"{type(events).__name__}"


def check_sensor_size(sensor_size: Any) -> tuple[int, ...]:
    """Return `(width, height)` or `(units,)` as a tuple of ints, or raise."""
    try:
        sizes = tuple(sensor_size)
    except TypeError:
        sizes = ()
    if len(sizes) not in (1, 2):
        raise ValueError(
            "`sensor_size` must be (width, height), or (units,) of events without y, without polarity. "
            f"Received: sensor_size={sensor_size!r}"
        )
    return tuple(_checks.integer("sensor_size", size, low=1) for size in sizes)


def times_of(events: Array, before: float | None = None) -> Array:
    """Return the times of events as int64 or float64.

    Args:
        events: structured array with the field `t`.
        before: time of the event before the first, or None.

    Raises:
        ValueError: a time is negative, not finite, or before that of the event in front of it.
    """
    times = events["t"]
    if times.dtype.kind not in "iuf":
        raise ValueError(f"Times must be integers or floats. Received: dtype of t={times.dtype}")
    times = times.astype("float64" if times.dtype.kind == "f" else "int64")
    if not len(times):
        return times
    ordered = times[1:] >= times[:-1]
    if times.dtype.kind == "f" and not np.isfinite(times).all():
        raise ValueError(f"Times must be finite. Received: t={times[~np.isfinite(times)][0]}")
    first = times[0] if before is None else before
    if not ordered.all() or times[0] < first:
        i = int(ordered.argmin()) + 1 if times[0] >= first else 0
        raise ValueError(
            f"Times must not decrease. Received: t={times[i]} after {times[i - 1] if i else first}. Sort them: "
            "events[np.argsort(events['t'], kind='stable')]; a clock that has wrapped around needs its period "
            "added first."
        )
    if times[0] < 0:
        raise ValueError(
            f"Times must be at least 0. Received: t={times[0]}. Subtract the time of the first event."
        )
    return times


def coordinate_of(events: Array, name: str, size: int | None = None) -> Array:
    """Return a coordinate of events as int64, or raise unless it is a whole number in [0, size)."""
    values = events[name]
    if values.dtype.kind not in "iu":
        raise ValueError(
            f"Coordinates must be integers. Received: dtype of {name}={values.dtype}. Round them, in a "
            "structured array with integer fields."
        )
    values = values.astype("int64")
    if not len(values):
        return values
    least, greatest = values.min(), values.max()
    if least < 0 or (size is not None and greatest >= size):
        limit = "at least 0" if size is None else f"in [0, {size - 1}], on the sensor"
        wrong = least if least < 0 else greatest
        raise ValueError(
            f"`{name}` of every event must be {limit}. Received: {name}={wrong}. Check the order of width and "
            "height in `sensor_size`; keras_bsd.datasets.crop_events drops events outside a window."
        )
    return values


def polarity_of(events: Array) -> Array:
    """Return polarities of events as booleans or as integers that are all 0 or 1, or raise."""
    values = events["p"]
    if values.dtype == bool:
        return values
    if values.dtype.kind not in "iu" or (len(values) and (values.min() < 0 or values.max() > 1)):
        wrong = values[(values != 0) & (values != 1)]
        received = f"p={wrong[0]}" if len(wrong) else f"dtype of p={values.dtype}"
        raise ValueError(
            f"Polarities must be False and True, or 0 and 1. Received: {received}. Where they are -1 and 1, "
            "convert them: events['p'] = events['p'] > 0"
        )
    return values
