"""A simulated event camera in front of which images move."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from keras_bsd import _checks
from keras_bsd._types import Array, ArrayLike
from keras_bsd.datasets import _events

CORNERS = np.array([[-1, 1], [0, -1], [1, 1], [-1, 1]])  # of the triangle, (x, y)
BLACK = 0.05  # intensity that is added, so that black has a logarithm
ROUNDING = 1e-9  # of a number of thresholds
STEPS = 90
VALUES = 2**22  # pixels of all images that are processed at once

Threshold = float | tuple[float, float]


def simulate_events(
    images: ArrayLike,
    threshold: Threshold = 0.5,
    amplitude: float = 3.0,
    duration: int = 300_000,
    steps: int = STEPS,
    refractory: int = 0,
    noise_rate: float = 0.0,
    seed: int = 0,
) -> list[Array]:
    """Return simulated events of a camera that moves in front of images, in three saccades.

    The camera moves along the sides of a triangle, as that of N-MNIST did, each in a third of the duration, at
    constant speed. Every pixel compares log(0.05 + intensity) with its value at the pixel's last event, or at
    the beginning. Where the difference has reached a threshold there is an event, or several; the value changes
    linearly within a step. This is a model of a sensor: its events are not those of a recording.

    Args:
        images: `(batch, height, width)` or `(batch, height, width, 1)`, floats in [0, 1]. Beyond their borders,
            pixels repeat.
        threshold: positive float, the difference at which there is an event, or a pair of them for polarity 1
            (brighter) and polarity 0 (darker).
        amplitude: positive float, largest shift along each axis, in pixels. The sensor has `ceil(amplitude)`
            pixels more than the image on each side.
        duration: positive int, microseconds.
        steps: positive int, number of steps of the motion.
        refractory: int, microseconds after an event in which its pixel has no other, except for noise. What it
            misses is lost.
        noise_rate: float, at least 0: additional events per pixel and second, of random polarity.
        seed: int, for the noise.

    Returns:
        List of a structured array `(events,)` for each image, with the fields `t` (microseconds in
        [0, duration), int64), `x`, `y` (int16) and `p` (bool), in the order of time.

    Raises:
        ValueError: images have another shape or values, or an argument is out of range.

    Example:

    >>> images = np.zeros((2, 8, 8))
    >>> images[1, :, 4:] = 1  # an edge
    >>> empty, edge = keras_bsd.datasets.simulate_events(images)
    >>> len(empty), edge.dtype.names
    (0, ('t', 'x', 'y', 'p'))
    >>> frames = keras_bsd.datasets.events_to_frames(edge, (14, 14), 10, start=0, end=300_000)

    Source: Orchard et al., "Converting Static Image Datasets to Spiking Neuromorphic Datasets Using Saccades",
    Frontiers in Neuroscience 2015, for the motion; Rebecq et al., "ESIM: an Open Event Camera Simulator", CoRL
    2018, for the events.
    """
    camera = _Camera.of(images, threshold, amplitude, duration, steps, noise_rate)
    refractory = _checks.integer("refractory", refractory)
    generator = np.random.default_rng(_checks.integer("seed", seed))
    recordings: list[Array] = []
    for part in camera.parts():
        parts = [*_timed_events(part, refractory), part.noise(generator)]
        samples, t, x, y, p = (np.concatenate(field) for field in zip(*parts, strict=True))
        order = np.lexsort((t, samples))
        events = _events.make_events(_events.CAMERA, t=t[order], x=x[order], y=y[order], p=p[order])
        recordings += np.split(events, np.searchsorted(samples[order], np.arange(1, len(part.images))))
    return recordings


def simulate_event_frames(
    images: ArrayLike,
    bins: int,
    threshold: Threshold = 0.5,
    amplitude: float = 3.0,
    duration: int = 300_000,
    steps: int | None = None,
    noise_rate: float = 0.0,
    seed: int = 0,
) -> Array:
    """Return the frames of simulated events, without the events.

    They are the frames, of equal duration, of the events that `keras_bsd.datasets.simulate_events` returns for
    the same arguments and the same number of steps.

    Args:
        images, threshold, amplitude, duration, noise_rate, seed: see `keras_bsd.datasets.simulate_events`.
        bins: positive int, number of frames.
        steps: positive int, number of steps of the motion, a multiple of `bins` (default: the least one from 90
            on).

    Returns:
        Frames `(batch, bins, height, width, 2)`, float32: numbers of events by polarity.

    Raises:
        ValueError: images have another shape or values, or an argument is out of range.

    Example:

    >>> (x_train, _), _ = keras_bsd.datasets.load_images("digits")
    >>> keras_bsd.datasets.simulate_event_frames(x_train[:5], bins=10).shape
    (5, 10, 14, 14, 2)
    """
    bins = _checks.integer("bins", bins, low=1)
    steps = bins * -(-STEPS // bins) if steps is None else steps
    camera = _Camera.of(images, threshold, amplitude, duration, steps, noise_rate)
    if camera.steps % bins:
        raise ValueError(f"`steps` must be a multiple of `bins`. Received: {steps=}, {bins=}")
    generator = np.random.default_rng(_checks.integer("seed", seed))
    frames = np.zeros((len(camera.images), bins, *camera.shape, 2), "float32")
    begin = 0
    for part in camera.parts():
        target = frames[begin : begin + len(part.images)]
        begin += len(part.images)
        for k, (*_, darker, brighter) in enumerate(part.changes()):
            bin_of_step = k * bins // camera.steps
            target[:, bin_of_step, ..., 0] += darker
            target[:, bin_of_step, ..., 1] += brighter
        samples, t, x, y, p = part.noise(generator)
        np.add.at(target, (samples, t * bins // camera.duration, y, x, p), 1)
    return frames


class _Camera(NamedTuple):
    """Images, and the settings of a camera that moves in front of them."""

    images: Array
    thresholds: tuple[float, float]  # of polarity 0 and 1
    amplitude: float
    duration: int
    steps: int
    noise_rate: float

    @classmethod
    def of(cls, images, threshold, amplitude, duration, steps, noise_rate):
        pair = threshold if isinstance(threshold, (tuple, list)) else (threshold, threshold)
        if len(pair) != 2:
            raise ValueError(f"`threshold` must be a number or a pair of numbers. Received: {threshold=}")
        if _checks.integer("duration", duration, low=1) < _checks.integer("steps", steps, low=1):
            raise ValueError(
                f"`duration` must be a microsecond or more for each step. Received: {duration=}, {steps=}"
            )
        brighter, darker = (_checks.real("threshold", each, low=0.0, low_open=True) for each in pair)
        return cls(
            _check_images(images),
            (darker, brighter),
            _checks.real("amplitude", amplitude, low=0.0, low_open=True),
            int(duration),
            int(steps),
            _checks.real("noise_rate", noise_rate, low=0.0),
        )

    @property
    def margin(self):
        return math.ceil(self.amplitude)

    @property
    def shape(self):
        """Height and width of the sensor."""
        return tuple(size + 2 * self.margin for size in self.images.shape[1:])

    def parts(self) -> Iterator["_Camera"]:
        """Yield cameras in front of a few of the images each."""
        count = max(1, VALUES // math.prod(self.shape))
        for begin in range(0, len(self.images), count):
            yield self._replace(images=self.images[begin : begin + count])

    def time(self, step):
        """Return the time at which a step begins, in whole microseconds."""
        return -(-step * self.duration // self.steps)

    def levels(self) -> Iterator[Array]:
        """Yield the logarithms of intensity on the sensor, `(batch, height, width)`, between the steps."""
        margin, (height, width) = 2 * self.margin + 1, self.shape
        images = np.pad(self.images.astype("float64"), [(0, 0), (margin, margin), (margin, margin)], "edge")
        for step in range(self.steps + 1):
            saccade, fraction = divmod(3 * step / self.steps, 1)
            begin, end = CORNERS[[int(saccade), min(int(saccade) + 1, 3)]]
            (x, x_rest), (y, y_rest) = (
                divmod(shift + self.margin + 1, 1)
                for shift in self.amplitude * (begin + fraction * (end - begin))
            )
            x, y = int(x), int(y)
            rows = images[:, y : y + height] * (1 - y_rest) + images[:, y + 1 : y + 1 + height] * y_rest
            values = rows[..., x : x + width] * (1 - x_rest) + rows[..., x + 1 : x + 1 + width] * x_rest
            yield np.log(values + BLACK)

    def changes(self) -> Iterator[tuple[Array, ...]]:
        """Yield for each step levels before and after, references, and numbers of events of both polarities."""
        levels = self.levels()
        before = next(levels)
        reference = before
        darker, brighter = self.thresholds
        for after in levels:
            down = np.maximum(np.floor((reference - after) / darker + ROUNDING), 0)
            up = np.maximum(np.floor((after - reference) / brighter + ROUNDING), 0)
            yield before, after, reference, down, up
            before, reference = after, reference + up * brighter - down * darker

    def noise(self, generator: np.random.Generator) -> tuple[Any, ...]:
        """Return samples, times, coordinates and polarities of random events."""
        sizes = (len(self.images), self.duration, *reversed(self.shape), 2)
        mean = self.noise_rate * self.duration / 1e6 * len(self.images) * math.prod(self.shape)
        count = generator.poisson(mean)
        return tuple(generator.integers(size, size=count) for size in sizes)


def _check_images(images):
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim != 3 or not images.size:
        raise ValueError(
            "`images` must have shape (batch, height, width) or (batch, height, width, 1). Received: "
            f"shape={images.shape}. Convert images of several channels to grey."
        )
    if images.dtype.kind not in "biuf" or not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            "`images` must be numbers in [0, 1], such as keras_bsd.applications.preprocess_input returns. "
            f"Received: dtype={images.dtype}, values from {images.min()} to {images.max()}"
        )
    return images


def _timed_events(camera: _Camera, refractory: int) -> Iterator[tuple[Array, ...]]:
    """Yield samples, times, coordinates and polarities of the events of each step and polarity."""
    last = np.full((len(camera.images), *camera.shape), -refractory) if refractory else None
    for step, (before, after, reference, *counts) in enumerate(camera.changes()):
        begin, end = camera.time(step), camera.time(step + 1)
        for polarity, count in enumerate(counts):
            pixels = np.nonzero(count)
            repeats = count[pixels].astype("int64")
            order = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
            pixels = tuple(np.repeat(axis, repeats) for axis in pixels)
            change = (order + 1) * camera.thresholds[polarity] * (1 if polarity else -1)
            fraction = (reference[pixels] + change - before[pixels]) / (after[pixels] - before[pixels])
            t = begin + np.floor(np.clip(fraction, 0, 1) * (end - begin)).astype("int64")
            t = np.minimum(t, end - 1)  # an event at the end of a step is still in it
            if last is not None:
                retained = _outside_refractory(last, pixels, t, order, refractory)
                t, pixels = t[retained], tuple(axis[retained] for axis in pixels)
            samples, y, x = pixels
            yield samples, t, x, y, np.full(len(t), polarity)


def _outside_refractory(last, pixels, t, order, refractory):
    """Return which events are retained, and note their times in `last`; `order` counts those of a pixel."""
    retained = np.zeros(len(t), bool)
    for i in range(int(order.max(initial=-1)) + 1):
        (chosen,) = np.nonzero(order == i)
        where = tuple(axis[chosen] for axis in pixels)
        passed = t[chosen] - last[where] >= refractory
        retained[chosen] = passed
        last[tuple(axis[passed] for axis in where)] = t[chosen[passed]]
    return retained
