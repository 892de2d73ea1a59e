"""Transforms: events from events, in the order of time."""

from typing import Any, Literal, get_args

import numpy as np

from keras_bsd import _checks
from keras_bsd._types import Array
from keras_bsd.datasets import _events

Axis = Literal["x", "y", "t", "p"]
Seed = int | np.random.Generator
Window = tuple[int, int]


def crop_events(
    events: Array,
    x: Window | None = None,
    y: Window | None = None,
    start: float | None = None,
    end: float | None = None,
) -> Array:
    """Return the events in a window of space and time.

    Args:
        events: structured array `(events,)`, see `keras_bsd.datasets.events_to_frames`.
        x, y: first coordinate of the window, and the one after its last. The coordinates of the result count
            from the first, so that `sensor_size` is then the size of the window.
        start, end: times; an event at `start` is retained, one at `end` is not. Times do not change.

    Returns:
        A new structured array of the same fields.

    Raises:
        ValueError: a field is missing or a window is empty.

    Example:

    >>> events = np.rec.fromarrays([[0, 1, 7], [2, 2, 0], [0, 0, 1], [1, 1, 0]], names="t,x,y,p")
    >>> keras_bsd.datasets.crop_events(events, x=(1, 3), start=1).tolist()
    [(1, 1, 0, 1)]
    """
    windows = {name: window for name, window in (("x", x), ("y", y)) if window is not None}
    _events.check_fields(events, ("t", "x", *windows))
    times = events["t"]
    retained = np.ones(len(events), bool)
    if start is not None:
        _checks.real("start", start)
        retained &= times >= start
    if end is not None:
        _checks.real("end", end, low=-np.inf if start is None else start, low_open=True)
        retained &= times < end
    for name, window in windows.items():
        windows[name] = low, high = _check_window(name, window)
        retained &= (events[name] >= low) & (events[name] < high)
    cropped = events[retained]
    for name, (low, _) in windows.items():
        cropped[name] -= low
    return cropped


def _check_window(name, window):
    try:
        low, high = window
    except (TypeError, ValueError):
        raise ValueError(
            f"`{name}` must be the first coordinate of a window and the one after its last. "
            f"Received: {name}={window!r}"
        ) from None
    low = _checks.integer(name, low)
    return low, _checks.integer(name, high, low=low + 1)


def flip_events(events: Array, sensor_size: tuple[int, ...], axis: Axis = "x") -> Array:
    """Return events mirrored along an axis.

    Args:
        events: structured array `(events,)`, see `keras_bsd.datasets.events_to_frames`.
        sensor_size: `(width, height)`, or `(units,)` of events without `y`.
        axis: `"x"` exchanges left and right, `"y"` top and bottom, `"p"` the polarities. `"t"` reverses the
            recording between its first and its last event; in a film that runs backwards, darkening becomes
            brightening, so that it needs `"p"` as well.

    Returns:
        A new structured array of the same fields.

    Raises:
        ValueError: a field is missing, an event is outside the sensor, or `axis` is unknown.

    Example:

    >>> events = np.rec.fromarrays([[0, 1, 7], [2, 2, 0], [0, 0, 1], [1, 1, 0]], names="t,x,y,p")
    >>> keras_bsd.datasets.flip_events(events, (3, 2))["x"].tolist()
    [0, 0, 2]
    >>> keras_bsd.datasets.flip_events(events, (3, 2), axis="t").tolist()
    [(0, 0, 1, 0), (6, 2, 0, 1), (7, 2, 0, 1)]
    """
    sizes = _events.check_sensor_size(sensor_size)
    _checks.one_of("axis", axis, get_args(Axis))
    if axis == "y" and len(sizes) == 1:
        raise ValueError(f"A line of units has no `y`. Received: sensor_size={sizes}, axis='y'")
    _events.check_fields(events, ("t", "x", *({axis} - {"t", "x"})))
    flipped = events.copy()
    if axis == "p":
        flipped["p"] = 1 - _events.polarity_of(events).astype("int8")
    elif axis == "t":
        times = _events.times_of(events)
        flipped = flipped[::-1].copy()
        if len(times):
            flipped["t"] = (times[0] + times[-1] - times)[::-1]
    else:
        size = sizes["xy".index(axis)]
        flipped[axis] = size - 1 - _events.coordinate_of(events, axis, size)
    return flipped


def drop_events(events: Array, probability: float, seed: Seed = 0) -> Array:
    """Return events without those that are dropped, each with the same probability.

    Args:
        events: structured array `(events,)`.
        probability: float in [0, 1].
        seed: int, or a `numpy.random.Generator`.

    Returns:
        A new structured array of the same fields.

    Raises:
        ValueError: `probability` is out of range.

    Example:

    >>> events = np.rec.fromarrays([np.arange(1000), np.zeros(1000, int)], names="t,x")
    >>> 700 < len(keras_bsd.datasets.drop_events(events, 0.2)) < 900
    True
    """
    probability = _checks.real("probability", probability, low=0.0, high=1.0)
    _events.check_fields(events)
    return events[_generator(seed).random(len(events)) >= probability]


def jitter_events(events: Array, deviation: float, seed: Seed = 0) -> Array:
    """Return events whose times are moved by Gaussian noise, in their new order.

    Args:
        events: structured array `(events,)`.
        deviation: float, at least 0: standard deviation of the noise, in the unit of `t`. Integer times are
            rounded. Times that would be negative become 0.
        seed: int, or a `numpy.random.Generator`.

    Returns:
        A new structured array of the same fields.

    Raises:
        ValueError: `deviation` is out of range.

    Example:

    >>> events = np.rec.fromarrays([np.arange(0, 1000, 10), np.zeros(100, int)], names="t,x")
    >>> jittered = keras_bsd.datasets.jitter_events(events, deviation=5)
    >>> bool((np.diff(jittered["t"]) >= 0).all()), len(jittered)
    (True, 100)
    """
    deviation = _checks.real("deviation", deviation, low=0.0)
    times = _events.times_of(_events.check_fields(events))
    noise = deviation * _generator(seed).standard_normal(len(times))
    times = np.maximum(times + (np.rint(noise).astype("int64") if times.dtype.kind == "i" else noise), 0)
    order = np.argsort(times, kind="stable")
    jittered = events[order]
    kind = jittered.dtype["t"]
    jittered["t"] = np.minimum(times[order], np.iinfo(kind).max) if kind.kind in "iu" else times[order]
    return jittered


def downsample_events(events: Array, factor: int) -> Array:
    """Return events of a sensor with fewer pixels, each of which has the events of a square of pixels.

    The number of events does not change. A sensor of `(width, height)` becomes one of `width / factor` by
    `height / factor`, rounded up.

    Args:
        events: structured array `(events,)`, see `keras_bsd.datasets.events_to_frames`.
        factor: positive int, side of the squares, or number of units that become one.

    Returns:
        A new structured array of the same fields.

    Raises:
        ValueError: `factor` is out of range, or a coordinate is negative or no integer.

    Example:

    >>> events = np.rec.fromarrays([[0, 1, 7], [2, 2, 0], [0, 0, 1], [1, 1, 0]], names="t,x,y,p")
    >>> keras_bsd.datasets.downsample_events(events, 2).tolist()
    [(0, 1, 0, 1), (1, 1, 0, 1), (7, 0, 0, 0)]
    """
    factor = _checks.integer("factor", factor, low=1)
    downsampled = _events.check_fields(events).copy()
    for name in set("xy").intersection(_events.fields_of(events)):
        downsampled[name] = _events.coordinate_of(events, name) // factor
    return downsampled


def _generator(seed: Any) -> np.random.Generator:
    """Return a generator of a seed, or a generator as it is."""
    if not isinstance(seed, np.random.Generator):
        _checks.integer("seed", seed)
    return np.random.default_rng(seed)
