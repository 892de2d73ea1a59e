"""Frames: events counted in bins of time."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import DTypeLike

from keras_bsd import _checks
from keras_bsd._types import Array
from keras_bsd.datasets import _events
from keras_bsd.datasets._event_bins import TimeBins, equal_parts

Polarity = Literal["separate", "merge"]

PIECE = 2**18  # events that are processed at once


def events_to_frames(
    events: Array | Iterable[Array],
    sensor_size: tuple[int, ...],
    bins: int | None = None,
    *,
    bin_duration: float | None = None,
    events_per_bin: int | None = None,
    start: float | None = None,
    end: float | None = None,
    polarity: Polarity = "separate",
    downsampling: int = 1,
    binary: bool = False,
    dtype: DTypeLike = "float32",
) -> Array:
    """Return the events of a recording as frames, one for each bin of time.

    One of `bins`, `bin_duration` and `events_per_bin` chooses the bins. A bin includes the time at which it
    begins and excludes that at which it ends; without `end`, the last bin ends with the last event and includes
    it. Nothing is cut: an event before `start`, or at `end` or later, is an error, and
    `keras_bsd.datasets.crop_events` removes such events.

    Memory is that of the frames and a constant. Instead of one array, `events` may be an iterable of the parts
    of a recording that is larger than memory, in the order of time; `start` and `end` must then be given. A
    memory-mapped array needs no parts.

    Args:
        events: NumPy structured array `(events,)`, in the order of time, with the fields `t` (integers or
            floats, at least 0, in any unit), `x` and `y` (integers), and `p` (booleans, or 0 and 1), in any
            order. Without `p` all events have one polarity. Other fields are ignored.
        sensor_size: `(width, height)`, or `(units,)` for events without `y`, such as those of a cochlea.
        bins: positive int, number of bins of equal duration. If all events have the same time, and `start` and
            `end` leave no duration, they are in the last bin.
        bin_duration: positive float, duration of a bin in the unit of `t`. The last bin may be shorter, and is
            kept.
        events_per_bin: positive int, events of a bin. The last bin may have fewer, and is kept.
        start, end: times at which the first bin begins and the last one ends, by default those of the first and
            the last event. Recordings with the same `start`, `end` and number of bins have the same bins. A
            recording without events needs both; its frames are zero.
        polarity: `"separate"` counts the events of each polarity in a channel of its own; `"merge"` counts both
            in one.
        downsampling: positive int, side of the squares of pixels (or number of units) that become one. Where it
            does not divide the size of the sensor, the last ones are smaller.
        binary: bool, 1 wherever there is an event instead of the number of events.
        dtype: type of the frames. In `"bool"` they are binary.

    Returns:
        Frames `(time, height, width, polarity)`, with a last axis of 2, the first for polarity 0, or of 1 where
        polarities are merged. For a line of units, `(time, units, 2)`, or `(time, units)` where polarities are
        merged.

    Raises:
        ValueError: a field is missing; an event is outside the sensor or the bins; times decrease, are negative
            or not finite; a polarity is neither 0 nor 1 (those of -1 and 1 must be converted); a recording
            without events has no `start` or `end`; a count exceeds `dtype`; an argument is out of range.

    Example:

    >>> events = np.rec.fromarrays([[0, 1, 7], [2, 2, 0], [0, 0, 1], [1, 1, 0]], names="t,x,y,p")
    >>> frames = keras_bsd.datasets.events_to_frames(events, sensor_size=(3, 2), bins=4)
    >>> frames.shape
    (4, 2, 3, 2)
    >>> frames[0, 0, 2].tolist(), frames[3, 1, 0].tolist()
    ([0.0, 2.0], [1.0, 0.0])
    """
    sensor = _Sensor.of(sensor_size, polarity, downsampling, events)
    type_of_frames = _check_dtype(dtype)
    if events_per_bin is None:
        time_bins = TimeBins.of(events, bins, bin_duration, start, end)
        count, parts = len(time_bins.edges) + 1, time_bins.parts(_pieces(events, sensor))
    else:
        if (bins, bin_duration, start, end) != (None,) * 4:
            raise ValueError(
                "`events_per_bin` must be without `bins`, `bin_duration`, `start` and `end`. Received: "
                f"{bins=}, {bin_duration=}, {start=}, {end=}"
            )
        size = _checks.integer("events_per_bin", events_per_bin, low=1)
        total = len(_one_array(events, "`events_per_bin`"))
        if not total:
            raise ValueError("A recording without events has no bins of `events_per_bin`. Received: 0 events")
        count, parts = -(-total // size), equal_parts(_pieces(events, sensor), size)
    frames = np.zeros((count, sensor.pixels), type_of_frames)
    binary = binary or type_of_frames.kind == "b"
    last, number = -1, 0  # the last bin so far, and its events
    for piece, first, cuts in parts:
        before = number if first == last else 0
        number = _count(frames, sensor.index(piece), first, cuts, binary, before)
        last = first + len(cuts) - 2
    return frames.reshape(count, *sensor.shape)


def _check_dtype(dtype):
    found = np.dtype(dtype)
    if found.kind not in "biuf":
        raise ValueError(f"`dtype` must be a type of numbers or bool. Received: dtype={dtype!r}")
    return found


def _one_array(events, reason):
    if not isinstance(events, np.ndarray):
        raise ValueError(f"{reason} needs all events in one array. Received: events of {type(events)}")
    return events


class _Sensor(NamedTuple):
    """The pixels of a frame."""

    sizes: tuple[int, ...]
    separate: bool
    factor: int

    @classmethod
    def of(cls, sensor_size, polarity, downsampling, events):
        sizes = _events.check_sensor_size(sensor_size)
        _checks.one_of("polarity", polarity, get_args(Polarity))
        factor = _checks.integer("downsampling", downsampling, low=1)
        separate = polarity == "separate"
        sensor = cls(sizes, separate, factor)
        if isinstance(events, np.ndarray):
            names = _events.check_fields(events, sensor.fields).dtype.names
            return sensor._replace(separate=separate and "p" in names)
        return sensor

    @property
    def fields(self):
        return ("t", "x", "y")[: 1 + len(self.sizes)]

    @property
    def shape(self):
        """Axes of a frame; the rows of an image come first."""
        axes = tuple(-(-size // self.factor) for size in reversed(self.sizes))
        return (*axes, 2) if self.separate else (*axes, 1)[: 2 * len(axes) - 1]

    @property
    def pixels(self):
        return math.prod(self.shape)

    def index(self, events):
        """Return the index of each event in a flat frame."""
        columns = -(-self.sizes[0] // self.factor)
        index = self._coordinate(events, 0)
        if len(self.sizes) == 2:
            rows = self._coordinate(events, 1)
            rows *= columns
            index += rows
        if "p" in events.dtype.names:
            values = _events.polarity_of(events)
            if self.separate:
                index *= 2
                index += values
        return index

    def _coordinate(self, events, axis):
        values = _events.coordinate_of(events, "xy"[axis], self.sizes[axis])
        if self.factor > 1:
            values //= self.factor
        return values


def _pieces(events: Any, sensor: _Sensor) -> Iterator[tuple[Array, Array]]:
    """Yield pieces of events, none empty, and their times."""
    before = None
    for part in [events] if isinstance(events, np.ndarray) else events:
        fields = (*sensor.fields, "p") if sensor.separate else sensor.fields
        _events.check_fields(part, fields)
        for begin in range(0, len(part), PIECE):
            piece = part[begin : begin + PIECE]
            times = _events.times_of(piece, before)
            before = times[-1]
            yield piece, times


def _count(frames, index, first, cuts, binary, before):
    """Add events to frames, and return how many the last one of their bins has.

    Args:
        frames: `(bins, pixels)`.
        index: pixels of events, int64; it is changed.
        first: the bin of the first event.
        cuts: indices at which this bin, and those that follow it, begin and end.
        binary: bool.
        before: number of events that this bin has already.
    """
    numbers = np.diff(cuts)
    bins = np.arange(first, first + len(numbers))
    index += np.repeat(bins * frames.shape[1], numbers)
    numbers[0] += before
    flat = frames.reshape(-1)
    if binary:
        flat[index] = 1
    elif numbers.max() <= _exact_below(flat.dtype):
        np.add.at(flat, index, flat.dtype.type(1))
    else:
        _add(flat, index)
    return numbers[-1]


def _exact_below(dtype):
    """Return the number up to which a type holds every whole number."""
    return 2 ** (np.finfo(dtype).nmant + 1) if dtype.kind == "f" else np.iinfo(dtype).max


def _add(flat, index):
    """Add events to frames whose counts may exceed their type, and raise if one does."""
    pixels, counts = np.unique(index, return_counts=True)
    counts += flat[pixels].astype("int64")
    limit = (np.finfo if flat.dtype.kind == "f" else np.iinfo)(flat.dtype).max
    if counts.max() > limit:
        raise ValueError(
            f"`dtype` must hold the counts. Received: a count of {counts.max()}, dtype={flat.dtype.name}. "
            'Choose a wider type, such as "float32", or binary=True.'
        )
    flat[pixels] = counts
