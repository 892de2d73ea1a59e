"""Simulated sounds whose class is in the order of their frequencies."""

import itertools
import math

import keras
import numpy as np

from keras_bsd import _checks
from keras_bsd._types import Array
from keras_bsd.datasets import _events
from keras_bsd.encoding import DeltaEncoder

STEP = 1000  # microseconds
THRESHOLD = 0.05  # of the encoder; a passing sweep has the energy 1
VALUES = 2**23  # energies that are encoded at once


def simulate_sweeps(
    samples: int,
    classes: int = 4,
    channels: int = 70,
    duration: int = 500_000,
    noise: float = 0.0,
    seed: int = 0,
) -> tuple[list[Array], Array]:
    """Return simulated spikes of sounds that sweep over frequencies, and their classes.

    The channels are divided into bands. Every sound sweeps upwards over each band once, and its class is the
    order of the bands; an odd class is the reverse in time of the class before it. A channel therefore has the
    same firing rate in all classes, and a classifier needs a memory. The speed, the beginning and the sharpness
    of a sound are random.

    Spikes mark the steps of 1 ms in which the energy of a channel rises: those of
    `keras_bsd.encoding.DeltaEncoder`.

    Args:
        samples: positive int. Sample `i` is of class `i % classes`.
        classes: int, at least 2; at most twice the number of orders of the bands.
        channels: positive int, number of channels, at least one for each band.
        duration: int, microseconds, a multiple of 1,000, at least 50,000.
        noise: float, at least 0: standard deviation of noise of the energy, which is 1 where a sweep passes.
        seed: int.

    Returns:
        List of a structured array `(events,)` for each sample, with the fields `t` (microseconds, int64) and
        `x` (channel, int16), in the order of time; and classes `(samples,)`, int32.

    Raises:
        ValueError: an argument is out of range.

    Example:

    >>> recordings, classes = keras_bsd.datasets.simulate_sweeps(4, channels=20)
    >>> classes.tolist(), recordings[0].dtype.names
    ([0, 1, 2, 3], ('t', 'x'))
    >>> frames = keras_bsd.datasets.events_to_frames(recordings[0], (20,), 25, start=0, end=500_000)
    >>> frames.shape
    (25, 20)
    """
    samples = _checks.integer("samples", samples, low=1)
    classes = _checks.integer("classes", classes, low=2)
    bands = next(n for n in itertools.count(1) if 2 * math.factorial(n) >= classes)
    channels = _checks.integer("channels", channels, low=bands)
    if _checks.integer("duration", duration, low=50_000) % STEP:
        raise ValueError(f"`duration` must be a multiple of {STEP} microseconds. Received: {duration=}")
    noise = _checks.real("noise", noise, low=0.0)
    generator = np.random.default_rng(_checks.integer("seed", seed))
    labels = (np.arange(samples) % classes).astype("int32")
    orders = list(itertools.islice(itertools.permutations(range(bands)), -(-classes // 2)))
    slots = np.argsort(orders, axis=1)[labels // 2]  # of each sample's bands, in the order of time

    encode = DeltaEncoder(THRESHOLD, dtype="float32")
    recordings = []
    together = max(1, VALUES // (duration // STEP * channels))
    for begin in range(0, samples, together):
        chosen = slice(begin, begin + together)
        energy = _energy(slots[chosen], channels, duration // STEP, generator)
        energy += noise * generator.standard_normal(energy.shape, "float32")
        spikes = keras.ops.convert_to_numpy(encode(energy)) > 0
        backwards = labels[chosen] % 2 == 1
        spikes[backwards] = spikes[backwards, ::-1]
        for steps, units in map(np.nonzero, spikes):
            recordings.append(_events.make_events(_events.COCHLEA, t=STEP * steps, x=units))
    return recordings, labels


def _energy(slots, channels, steps, generator):
    """Return the energy of each channel, `(samples, steps, channels)`, as a sweep passes it."""
    samples, bands = slots.shape
    length = generator.integers(int(0.7 * steps / bands), steps // bands + 1, size=samples)  # of a slot
    begin = generator.integers(steps - bands * length + 1)
    width = generator.uniform(3, 5, size=samples)
    band, place = np.divmod((np.arange(channels) + 0.5) / channels * bands, 1)
    slot_begin = begin[:, None] + slots[:, band.astype(int)] * length[:, None]
    passed = np.arange(steps)[None, :, None] - slot_begin[:, None]  # steps since the slot of a channel's band
    centre = (place * length[:, None])[:, None]
    energy = np.exp(-(((passed - centre) / width[:, None, None]) ** 2) / 2)
    return np.where((passed >= 0) & (passed < length[:, None, None]), energy, 0).astype("float32")
