"""Measure a training step of recurrent stages against the window: time, and memory by XLA's count.

    KERAS_BACKEND=jax .venv/bin/python -m benchmarks.measure_sequences --networks=text,forecast --windows=16,64

Prints a Markdown table; `--output` writes it as a page. Memory is what the compiled step allocates beside its
arguments (weights, optimizer state, batch) and results; time is the minimum over the repeats. "rates and
inputs" is the size of the elements' inputs and the stage's firing rates in float32.
"""

import time

from benchmarks import _results  # isort: skip, before Keras

import keras
import numpy as np
from absl import app, flags

from keras_bsd.applications import SpikingCharRNN, SpikingForecaster

FLAGS = flags.FLAGS
flags.DEFINE_list("networks", ["text", "forecast"], "text (65 characters, 256 units), forecast (7, 128 units).")
flags.DEFINE_list("windows", ["16", "64"], "Elements per window.")
flags.DEFINE_integer("batch_size", 64, "Windows per batch.", lower_bound=1)
flags.DEFINE_integer("repeats", 10, "Timed steps.", lower_bound=1)
flags.DEFINE_string("output", None, "Path of a .md page for the table.")

HEADER = ["network", "window", "rule", "ms", "of backprop", "temporary memory, MB", "rates and inputs, MB"]


def build(name, window):
    """Return a pair, one batch for it, and the number of features and units of its stage."""
    generator = np.random.default_rng(0)
    if name == "text":
        text = generator.integers(0, 65, (FLAGS.batch_size, window + 1), dtype="int32")
        return SpikingCharRNN("".join(map(chr, range(40, 105)))), (text[:, :-1], text[:, 1:]), 65 + 256
    x = generator.normal(size=(FLAGS.batch_size, window, 7)).astype("float32")
    return SpikingForecaster(window, 1, 7, units=(128,)), (x, x[:, :1]), 7 + 128


def measure(name, window, rule):
    """Return milliseconds, MB of temporary memory, and MB of inputs and rates of one training step."""
    import jax

    pair, batch, width = build(name, window)
    network = pair.encoder if rule == "backprop" else pair
    loss = "sparse_categorical_crossentropy" if name == "text" else "mse"
    network.compile(keras.optimizers.AdamW(3e-3), loss=loss)
    network.optimizer.build(network.trainable_variables)
    network.test_on_batch(*batch)  # creates the metrics' variables
    kinds = ("trainable_variables", "non_trainable_variables")
    variables = (*(getattr(network, kind) for kind in kinds), network.optimizer.variables)
    state = tuple([variable.value for variable in kind] for kind in (*variables, network.metrics_variables))
    compiled = jax.jit(network.train_step).lower(state, batch).compile()
    seconds = []
    for _ in range(FLAGS.repeats + 1):
        start = time.perf_counter()
        jax.block_until_ready(compiled(state, batch))
        seconds.append(time.perf_counter() - start)
    memory = compiled.memory_analysis().temp_size_in_bytes / 2**20
    return 1e3 * min(seconds[1:]), memory, 4 * FLAGS.batch_size * window * width / 2**20


def measure_all():
    """Yield the table's rows: every network, window and rule."""
    for name in FLAGS.networks:
        for window in map(int, FLAGS.windows):
            baseline = None
            for rule in ("backprop", "rate"):
                step, memory, stored = measure(name, window, rule)
                baseline = baseline or step
                cells = [f"{step:.1f}", f"{step / baseline:.2f}", f"{memory:.1f}", f"{stored:.1f}"]
                yield [name, window, rule, *cells]


def main(_):
    if keras.config.backend() != "jax":
        raise app.UsageError("XLA's counts come through JAX: set KERAS_BACKEND=jax.")
    table = _results.print_rows(HEADER, measure_all())
    if FLAGS.output:
        title = "A training step of recurrent stages against the window"
        _results.write_page(FLAGS.output, title, table, packages=["jaxlib"])


if __name__ == "__main__":
    app.run(main)
