"""Measure when XLA pays on TensorFlow and a CPU: time of compiling, and time that it saves in a step.

    .venv/bin/python -m benchmarks.measure_compilation --networks=digits,dense,conv,text,forecast

Prints a Markdown table; `--output` writes it as a page. "XLA pays after" is the number of steps in which what
XLA saves makes up for what it takes to compile; "chosen from" is the number of steps from which `fit` chooses
XLA if `compile` leaves it the choice. A first step includes tracing. Times of later steps are medians over
`--repeats`.
"""

import itertools
import math
import time

from benchmarks import _results  # isort: skip, before Keras

import keras
import numpy as np
from absl import app, flags

from keras_bsd.applications import SpikingCharRNN, SpikingConvNet, SpikingForecaster, SpikingMLP
from keras_bsd.models._compilation import xla_pays

NETWORKS = {
    "digits": lambda: SpikingMLP((8, 8, 1), 10, units=(128, 128, 128)),
    "dense": lambda: SpikingMLP((28, 28, 1), 10),
    "conv": lambda: SpikingConvNet((32, 32, 3), 10),
    "text": lambda: SpikingCharRNN("".join(map(chr, range(40, 105)))),
    "forecast": lambda: SpikingForecaster(64, 1, 7, units=(128,)),
}
ELEMENTS = 64  # of a text or a series

FLAGS = flags.FLAGS
flags.DEFINE_list("networks", list(NETWORKS), f"Some of {', '.join(NETWORKS)}.")
flags.DEFINE_list("batch_sizes", ["32", "128"], "Samples per step.")
flags.DEFINE_integer("repeats", 15, "Timed steps.", lower_bound=1)
flags.DEFINE_string("output", None, "Path of a .md page for the table.")
flags.register_validator("networks", set(NETWORKS).issuperset, f"must be some of {', '.join(NETWORKS)}")

HEADER = [
    "network",
    "batch",
    "first step, s",
    "with XLA, s",
    "step, ms",
    "with XLA, ms",
    "XLA pays after",
    "chosen from",
]


def batch_for(name, size):
    """Return random stimuli and targets."""
    generator = np.random.default_rng(0)
    if name == "text":
        text = generator.integers(0, 65, (size, ELEMENTS + 1), dtype="int32")
        return text[:, :-1], text[:, 1:]
    if name == "forecast":
        x = generator.normal(size=(size, ELEMENTS, 7)).astype("float32")
        return x, x[:, :1]
    x = generator.random((size, *NETWORKS[name]().encoder.input_shape[1:]), "float32")
    return x, generator.integers(0, 10, size)


def seconds_of_steps(name, batch, jit_compile):
    """Return the seconds of the first step and the median of later ones."""
    pair = NETWORKS[name]()
    pair.compile(keras.optimizers.AdamW(), jit_compile=jit_compile)
    seconds = []
    for _ in range(FLAGS.repeats + 2):
        start = time.perf_counter()
        pair.train_on_batch(*batch)
        seconds.append(time.perf_counter() - start)
    return seconds[0], np.median(seconds[2:])


def chosen_from(name, batch):
    """Return the least number of steps for which `fit` chooses XLA, or "never"."""
    stages = NETWORKS[name]().encoder_stages

    def pays(steps):
        return xla_pays(stages, batch[0], len(batch[0]), epochs=steps)

    high = next((2**i for i in range(20) if pays(2**i)), None)
    if high is None:
        return "never"
    low = high // 2  # does not pay
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if pays(middle) else (middle, high)
    return high


def measure_all():
    """Yield the table's rows: every network and batch size."""
    for name, size in itertools.product(FLAGS.networks, map(int, FLAGS.batch_sizes)):
        batch = batch_for(name, size)
        (first, step), (first_xla, step_xla) = (seconds_of_steps(name, batch, jit) for jit in (False, True))
        saved = step - step_xla
        pays = math.ceil((first_xla - first) / saved) if saved > 0 else "never"
        times = [f"{first:.1f}", f"{first_xla:.1f}", f"{1e3 * step:.0f}", f"{1e3 * step_xla:.0f}"]
        yield [name, size, *times, pays, chosen_from(name, batch)]


def main(_):
    if keras.config.backend() != "tensorflow":
        raise app.UsageError("Only TensorFlow leaves XLA out: set KERAS_BACKEND=tensorflow.")
    table = _results.print_rows(HEADER, measure_all())
    if FLAGS.output:
        _results.write_page(FLAGS.output, "When XLA pays on TensorFlow and a CPU", table)


if __name__ == "__main__":
    app.run(main)
