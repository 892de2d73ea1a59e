"""Batches of frames from recordings of events."""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_bsd import _checks
from keras_bsd._files import expand
from keras_bsd._types import Array, ArrayLike, Path
from keras_bsd.datasets._event_files import load_events
from keras_bsd.datasets._event_frames import events_to_frames
from keras_bsd.datasets._frame_cache import FrameCache
from keras_bsd.datasets._seeded import SeededBatches

Transform = Callable[[Array, np.random.Generator], Array]


class EventBatches(SeededBatches):
    """Batches of frames of recordings, whose order and transforms follow from seed and epoch alone.

    Frames are computed when a batch is needed. Recordings with fewer frames than the longest of their batch are
    padded by frames of zeros, which `keras_bsd.layers.FrameMasking` as the first layer masks; with `bins`, all
    recordings have the same number. `fit` passes the epoch by the callback that `epoch_callback()` returns.

    Args:
        recordings: sequence of structured arrays `(events,)` or paths, which `keras_bsd.datasets.load_events`
            reads.
        labels: targets `(samples, ...)`, such as classes.
        batch_size: positive int.
        sensor_size: `(width, height)`, or `(units,)`.
        transform: function of a recording's events and a `numpy.random.Generator`, which follows from seed,
            epoch and recording. It returns events; see `keras_bsd.datasets.drop_events` for example.
        pad_to: positive int, number of frames of every batch, which a pair needs unless `bins` is given. A
            recording with more frames is an error. By default the number differs between batches.
        shuffle: bool, whether to draw a new order for each epoch. Without, batches are in the order of
            `recordings`.
        seed: int.
        cache_dir: folder for the frames of each recording, which later epochs and processes read instead, for
            recordings that are costly to read; without `transform` only. A hash of the recording and of all
            arguments of the frames is the name of a file. A damaged file is written again.
        **frames: arguments of `keras_bsd.datasets.events_to_frames`, such as `bins`.

    Raises:
        ValueError: an argument is out of range, or a recording cannot become frames; the error names it.
        TypeError: `events_to_frames` has no such argument.

    Example:

    >>> images, labels = np.eye(8)[[np.arange(8), np.arange(8)[::-1]] * 3], [0, 1] * 3
    >>> recordings = keras_bsd.datasets.simulate_events(images)
    >>> sensor_size = (14, 14)  # 8 pixels, and 3 on either side that the motion reaches
    >>> batches = keras_bsd.datasets.EventBatches(recordings, labels, 4, sensor_size, bins=5)
    >>> x, y = batches[0]
    >>> x.shape, y.shape
    ((4, 5, 14, 14, 2), (4,))
    """

    def __init__(
        self,
        recordings: Sequence[Array | Path],
        labels: ArrayLike,
        batch_size: int,
        sensor_size: tuple[int, ...],
        *,
        transform: Transform | None = None,
        pad_to: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        cache_dir: Path | None = None,
        **frames: Any,
    ) -> None:
        super().__init__(seed)
        self.recordings = [r if isinstance(r, np.ndarray) else expand(r, "recordings") for r in recordings]
        self.labels = np.asarray(labels)
        if not self.recordings or self.labels.shape[:1] != (len(self.recordings),):
            raise ValueError(
                "There must be recordings, and a label of each. Received: "
                f"{len(self.recordings)} recordings, labels of shape {self.labels.shape}"
            )
        self.batch_size = _checks.integer("batch_size", batch_size, low=1)
        self.transform, self.shuffle = transform, shuffle
        self.pad_to = None if pad_to is None else _checks.integer("pad_to", pad_to, low=1)
        self._settings = {"sensor_size": sensor_size, **frames}
        inspect.signature(events_to_frames).bind(None, **self._settings)
        if cache_dir is not None and transform is not None:
            raise ValueError(
                "`cache_dir` must be without `transform`, whose frames differ in each epoch. Received: "
                f"{cache_dir=}. Transform recordings once, beforehand, or drop one of the two."
            )
        self._cache = None if cache_dir is None else FrameCache(cache_dir, sorted(self._settings.items()))
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._order = np.arange(len(self.recordings))
        if self.shuffle:
            self._order = np.random.default_rng([self.seed, epoch]).permutation(self._order)

    def __len__(self) -> int:
        return math.ceil(len(self.recordings) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        frames = [self._frames(i) for i in chosen]
        time = max(map(len, frames)) if self.pad_to is None else self.pad_to
        batch = np.zeros((len(frames), time, *frames[0].shape[1:]), frames[0].dtype)
        for i, padded, each in zip(chosen, batch, frames, strict=True):
            if len(each) > time:
                raise ValueError(
                    f"`pad_to` must be at least the number of frames. Received: pad_to={time}, {len(each)} "
                    f"frames of {self._name(i)}"
                )
            padded[: len(each)] = each
        return batch, self.labels[chosen]

    def _frames(self, i):
        try:
            recording = self.recordings[i]
            if self._cache is not None:
                return self._cache.frames(recording, lambda: self._make_frames(i))
            return self._make_frames(i)
        except ValueError as error:
            raise ValueError(f"{self._name(i)}: {error}") from error

    def _make_frames(self, i):
        events = self.recordings[i]
        if not isinstance(events, np.ndarray):
            events = load_events(events)
        if self.transform is not None:
            events = self.transform(events, np.random.default_rng([self.seed, self._epoch, i]))
        return events_to_frames(events, **self._settings)

    def _name(self, i):
        recording = self.recordings[i]
        return f"recording {i}" + ("" if isinstance(recording, np.ndarray) else f", {recording}")
