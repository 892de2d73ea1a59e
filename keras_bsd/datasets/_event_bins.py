"""Bins of time, and those of equal numbers of events."""

import math
from typing import Any, NamedTuple

import numpy as np

from keras_bsd import _checks
from keras_bsd._types import Array
from keras_bsd.datasets import _events


def equal_parts(pieces, size):
    """Yield pieces of events, the first bin of each, and the indices at which its bins begin and end."""
    begin = 0
    for piece, _ in pieces:
        first, end = begin // size, begin + len(piece)
        yield piece, first, np.r_[0, np.arange((first + 1) * size, end, size) - begin, len(piece)]
        begin = end


def _is_whole(time):
    return isinstance(time, int | np.integer) and not isinstance(time, bool) and time >= 0


class TimeBins(NamedTuple):
    """Bins of time.

    Attributes:
        start, end: as given; `end` is exclusive, and None where the last event is included.
        edges: times at which the second and the later bins begin.
    """

    start: Any
    end: Any
    edges: Array

    @classmethod
    def of(cls, events, bins, bin_duration, start, end):
        if (bins is None) == (bin_duration is None):
            raise ValueError(
                "One of `bins`, `bin_duration` and `events_per_bin` must be given. "
                f"Received: {bins=}, {bin_duration=}"
            )
        whole, first, last = cls._span(events, start, end)
        if start is not None:
            first = start if _is_whole(start) else _checks.real("start", start, low=0.0)
        if end is not None:
            last = _checks.real("end", end, low=first, low_open=True)
        duration = float(last - first)
        if bins is not None:
            count = _checks.integer("bins", bins, low=1)
            edges = np.arange(1, count) * duration / count
        else:
            width = _checks.real("bin_duration", bin_duration, low=0.0, low_open=True)
            widths = round(duration / width, 9)  # 7, where floats of 0.07 and 0.01 give a little more
            count = math.floor(widths) + 1 if end is None else math.ceil(widths)
            edges = np.arange(1, count) * width
        if whole and _is_whole(first):  # exact even where times are large, such as those of a calendar
            edges = np.ceil(edges).astype("int64")
        return cls(start, end, first + edges)

    @staticmethod
    def _span(events, start, end):
        """Return whether times are integers, and the times of the first and the last event."""
        if isinstance(events, np.ndarray):
            if len(events):
                ends = _events.times_of(events[[0, -1]])
                return ends.dtype.kind == "i", ends[0], ends[1]
            kind = "A recording without events"
        else:
            kind = "An iterable of parts"
        if start is None or end is None:
            raise ValueError(
                f"{kind} needs `start` and `end`, since it has no duration. Received: {start=}, {end=}"
            )
        return False, 0.0, 0.0

    def parts(self, pieces):
        """Yield pieces of events, the first bin of each, and the indices at which its bins begin and end."""
        for piece, times in pieces:
            if self.start is not None and times[0] < self.start:
                self._refuse(times[0])
            if self.end is not None and times[-1] >= self.end:
                self._refuse(times[-1])
            first, last = np.searchsorted(self.edges, times[[0, -1]], side="right")
            yield piece, first, np.r_[0, np.searchsorted(times, self.edges[first:last]), len(piece)]

    def _refuse(self, time):
        limits = f"start={self.start}, end={self.end}"
        raise ValueError(
            f"Times must be in [start, end). Received: t={time}, {limits}. Remove other events by "
            f"keras_bsd.datasets.crop_events(events, {limits})."
        )
