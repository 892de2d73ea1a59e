"""Noise of a sensor's background: events without a neighbour."""

import numpy as np

from keras_bsd import _checks
from keras_bsd._types import Array
from keras_bsd.datasets import _events


def denoise_events(events: Array, duration: float) -> Array:
    """Return the events that have a neighbour shortly before, which those of background noise seldom have.

    An event at a time t is retained if at one of the eight pixels around its own there is an event, of either
    polarity, at a time in [t - duration, t]. On a line of units, the neighbours are the two beside it.

    Args:
        events: structured array `(events,)`, see `keras_bsd.datasets.events_to_frames`.
        duration: float, at least 0, in the unit of `t`.

    Returns:
        A new structured array of the same fields.

    Raises:
        ValueError: events are not as `keras_bsd.datasets.events_to_frames` takes them, or `duration` is out of
            range.

    Example:

    >>> events = np.rec.fromarrays([[0, 3, 9], [4, 5, 5], [2, 2, 2], [1, 0, 1]], names="t,x,y,p")
    >>> keras_bsd.datasets.denoise_events(events, duration=5).tolist()
    [(3, 5, 2, 0)]

    Source: Delbruck, "Frame-free dynamic digital vision", 2008, for the background activity filter.
    """
    duration = _checks.real("duration", duration, low=0.0)
    times = _events.times_of(_events.check_fields(events))
    if not len(times):
        return events.copy()
    x = _events.coordinate_of(events, "x")
    rows = _events.coordinate_of(events, "y") if "y" in _events.fields_of(events) else np.zeros_like(x)
    columns = int(x.max()) + 3  # with one on either side, so that no neighbour is a pixel of another row
    pixels = (rows + 1) * columns + x + 1
    order = np.argsort(pixels, kind="stable")  # by pixel, then by time
    pixels, times = pixels[order], times[order]
    ranks, oldest = _ranks(times, duration)
    keys = pixels * (len(times) + 1) + ranks
    found = np.zeros(len(times), bool)
    above_and_below = (-columns, 0, columns) if "y" in _events.fields_of(events) else (0,)
    for shift in (row + column for row in above_and_below for column in (-1, 0, 1)):
        if shift:
            (pending,) = np.nonzero(~found)
            neighbours = keys[pending] + shift * (len(times) + 1)
            until_now = np.searchsorted(keys, neighbours, side="right")
            latest = keys[np.maximum(until_now - 1, 0)]  # the first key of all where none is before
            found[pending] = (latest <= neighbours) & (latest >= neighbours - (ranks - oldest)[pending])
    return events[np.sort(order[found])]


def _ranks(times, duration):
    """Return for each time its rank, and that of the first time at most `duration` before it."""
    values, ranks = np.unique(times, return_inverse=True)
    return ranks, np.searchsorted(values, values - duration)[ranks]
