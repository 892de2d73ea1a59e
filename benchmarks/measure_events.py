"""Measure the time of `events_to_frames` beside that of tonic's `ToFrame` on the same events, by turns.

    .venv/bin/python -m benchmarks.measure_events --events=10000000 --rounds=5

Needs tonic, which no extra installs: `.venv/bin/pip install tonic==1.7.0`. Prints a Markdown table; `--output`
writes it as a page. Both run on one core, on random events in memory, in the dtype of tonic's data sets. Frames
are compared before any time is taken. Memory is the peak of what NumPy allocates in a call, frames included.
"""

import time
import tracemalloc

from benchmarks import _results  # isort: skip, before Keras

import numpy as np
from absl import app, flags

from keras_bsd import datasets
from keras_bsd._optional import require

DTYPE = [("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "?")]
CASES = {  # size of the sensor, arguments of ours, and of tonic
    "N-MNIST, 20 bins": ((34, 34), {"bins": 20}, {"n_time_bins": 20}),
    "DVS Gesture, 20 bins": ((128, 128), {"bins": 20}, {"n_time_bins": 20}),
    "DVS Gesture, bins of 10 ms": ((128, 128), {"bin_duration": 10_000}, {"time_window": 10_000}),
    "DVS Gesture, bins of 50,000 events": ((128, 128), {"events_per_bin": 50_000}, {"event_count": 50_000}),
    "VGA, 20 bins": ((640, 480), {"bins": 20}, {"n_time_bins": 20}),
    "HD, 20 bins": ((1280, 720), {"bins": 20}, {"n_time_bins": 20}),
}

FLAGS = flags.FLAGS
flags.DEFINE_integer("events", 10_000_000, "Events of a recording.", lower_bound=1)
flags.DEFINE_integer("duration", 6_000_000, "Microseconds of a recording.", lower_bound=1)
flags.DEFINE_list("cases", list(CASES), f"Some of {', '.join(CASES)}.")
flags.DEFINE_integer("rounds", 5, "Timed calls of each.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Seed of the events.")
flags.DEFINE_string("output", None, "Path of a .md page for the table.")
flags.register_validator("cases", set(CASES).issuperset, f"must be some of {', '.join(CASES)}")

HEADER = ["case", "events_to_frames, s", "tonic, s", "ratio", "least ratio", "MB", "tonic, MB", "frames, MB"]
HEADER += ["events in other frames"]
LIMIT = 0.005  # fraction of events in other frames: tonic rounds durations, and omits an incomplete last bin


def random_events(width, height):
    """Return a recording of events at random pixels, the first and the last at its ends."""
    generator = np.random.default_rng(FLAGS.seed)
    events = np.empty(FLAGS.events, DTYPE)
    events["x"] = generator.integers(width, size=FLAGS.events)
    events["y"] = generator.integers(height, size=FLAGS.events)
    events["p"] = generator.integers(2, size=FLAGS.events)
    events["t"] = np.sort(generator.integers(FLAGS.duration, size=FLAGS.events))
    events["t"][[0, -1]] = 0, FLAGS.duration - 1
    return events


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def megabytes(call):
    tracemalloc.start()
    call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6


def measure(name):
    """Return a row of the table: medians, and the median and least ratio of calls that follow each other."""
    tonic = require("tonic.transforms", "The comparison")
    size, ours, theirs = CASES[name]
    events = random_events(*size)
    to_frame = tonic.ToFrame(sensor_size=(*size, 2), **theirs)
    calls = [lambda: datasets.events_to_frames(events, size, **ours), lambda: to_frame(events)]
    frames = calls[0]()
    difference = compare(frames, calls[1]())
    rounds = [[seconds(call) for call in calls] for _ in range(FLAGS.rounds)]
    medians, ratios = np.median(rounds, axis=0), [theirs / ours for ours, theirs in rounds]
    memory = [f"{megabytes(call):.0f}" for call in calls]
    times = [*(f"{each:.2f}" for each in medians), f"{np.median(ratios):.1f}", f"{min(ratios):.1f}"]
    return [name, *times, *memory, f"{frames.nbytes / 1e6:.0f}", difference]


def compare(frames, others):
    """Return how many events are in other frames, and raise if it is a larger fraction than `LIMIT`."""
    others = np.moveaxis(others, 1, -1)  # (time, polarity, height, width)
    shared = min(len(frames), len(others))
    difference = sum(np.abs(a - b.astype("int64")).sum() for a, b in zip(frames, others, strict=False)) / 2
    difference += frames[shared:].sum() + others[shared:].sum()
    if difference > LIMIT * frames.sum(dtype="float64"):
        raise RuntimeError(f"The frames must be nearly equal. Received: {difference:.0f} events in other ones")
    return int(difference)


def main(_):
    table = _results.print_rows(HEADER, map(measure, FLAGS.cases))
    if FLAGS.output:
        note = (
            f"{FLAGS.events:,} random events in {FLAGS.duration / 1e6:g} s. Times are medians of "
            f"{FLAGS.rounds} calls, by turns; a ratio is that of two calls which follow each other. Frames are "
            "float32 here and int16 in tonic. Events are in other frames where tonic rounds the duration of a "
            "bin, and where it omits an incomplete last bin."
        )
        _results.write_page(
            FLAGS.output, "Time from events to frames", note, table, packages=["tonic", "numpy"]
        )


if __name__ == "__main__":
    app.run(main)
