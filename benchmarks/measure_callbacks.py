"""Measure the time that callbacks add to training, beside that of the epochs.

    .venv/bin/python -m benchmarks.measure_callbacks --samples=12800 --batch_size=128

Prints a Markdown table; `--output` writes it as a page. Medians over the epochs after the first, in which
functions are compiled. Random stimuli of MNIST's shape, five stages of 512 neurons.
"""

import tempfile
import time

from benchmarks import _results  # isort: skip, before Keras

import keras
import numpy as np
from absl import app, flags

import keras_bsd
from keras_bsd.callbacks import EpochSeconds, FiringRateCheck, LayerAlignment, StimulusGrid

FLAGS = flags.FLAGS
flags.DEFINE_integer("samples", 12800, "Training samples.", lower_bound=1)
flags.DEFINE_integer("batch_size", 128, "Samples per batch.", lower_bound=1)
flags.DEFINE_integer("epochs", 6, "Epochs; the first is not measured.", lower_bound=2)
flags.DEFINE_string("output", None, "Path of a .md page for the table.")

HEADER = ["callback", "ms an epoch", "% of the epoch's steps"]


def time_epoch_ends(callback):
    """Return a list that collects the seconds of the callback's `on_epoch_end`."""
    seconds, on_epoch_end = [], callback.on_epoch_end

    def measured(epoch, logs=None):
        start = time.perf_counter()
        on_epoch_end(epoch, logs)
        seconds.append(time.perf_counter() - start)

    callback.on_epoch_end = measured
    return seconds


def measure():
    """Return seconds of each epoch, and of each callback at each epoch's end by name."""
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x = generator.random((FLAGS.samples, 28, 28, 1), "float32")
    y = generator.integers(0, 10, FLAGS.samples)
    model = keras_bsd.applications.SpikingMLP((28, 28, 1), 10)
    model.compile(keras.optimizers.AdamW(3e-3))
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [LayerAlignment(x[:64], y[:64]), StimulusGrid(folder, log_dir=folder), FiringRateCheck()]
        seconds = {type(callback).__name__: time_epoch_ends(callback) for callback in callbacks}
        history = model.fit(
            x, y, FLAGS.batch_size, FLAGS.epochs, verbose=0, callbacks=[EpochSeconds(), *callbacks]
        ).history
    return history["seconds"], seconds


def main(_):
    epochs, callbacks = measure()
    steps, epoch = -(-FLAGS.samples // FLAGS.batch_size), np.median(epochs[1:])
    rows = [[f"none: {steps} steps", f"{1e3 * epoch:.0f}", "100"]]
    for name, seconds in callbacks.items():
        added = np.median(seconds[1:])
        rows.append([name, f"{1e3 * added:.1f}", f"{100 * added / epoch:.2f}"])
    table = _results.print_rows(HEADER, rows)
    if FLAGS.output:
        _results.write_page(FLAGS.output, "What callbacks cost", table)


if __name__ == "__main__":
    app.run(main)
