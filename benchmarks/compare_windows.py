"""Accuracy and time of training in windows of time, beside all timesteps at once.

    KERAS_BACKEND=jax .venv/bin/python -m benchmarks.compare_windows
    KERAS_BACKEND=jax .venv/bin/python -m benchmarks.compare_windows --dataset=mnist --timesteps=16

Trains a dense and a convolutional network for each length of a window and each seed, and prints a Markdown
table of accuracies on test data in %, by seed, and of milliseconds of a step, medians over the epochs after the
first; `--output` writes it as a page.
"""

from benchmarks import _results  # isort: skip, before Keras

import math

import keras
import numpy as np
from absl import app, flags

import keras_bsd
from keras_bsd.models import _windows

FLAGS = flags.FLAGS
flags.DEFINE_list("networks", ["dense", "conv"], "dense, conv.")
flags.DEFINE_string("dataset", "digits", "digits, or an image data set of TensorFlow Datasets.")
flags.DEFINE_string("data_dir", None, "Folder of the prepared data set.")
flags.DEFINE_integer("samples", None, "Training images (default: all).", lower_bound=1)
flags.DEFINE_integer("test_samples", None, "Test images (default: all).", lower_bound=1)
flags.DEFINE_list("windows", ["0", "8", "4", "2"], "Timesteps of a window; 0 for all at once.")
flags.DEFINE_bool("large", False, "Networks of the applications' default sizes in place of small ones.")
flags.DEFINE_integer("timesteps", 64, "Timesteps.", lower_bound=2)
flags.DEFINE_integer("epochs", 12, "Epochs.", lower_bound=2)
flags.DEFINE_integer("batch_size", 64, "Samples per batch.", lower_bound=1)
flags.DEFINE_integer("seeds", 3, "Seeds of each network.", lower_bound=1)
flags.DEFINE_string("output", None, "Path of a .md page for the table.")

NETWORKS = {
    "dense": (keras_bsd.applications.SpikingMLP, {"units": (128, 128, 128)}),
    "conv": (keras_bsd.applications.SpikingConvNet, {"filters": (12, 16, 16), "pool_sizes": (2, 1, 1)}),
}


def train(network, window, seed, data):
    """Return the test accuracy of a network trained in windows of this length, and the seconds of each step."""
    (x, y), test = data
    windows = (
        _windows.Windows(window, least=window + 1) if window else _windows.OF_MAPS._replace(least=math.inf)
    )
    _windows.OF_MAPS = _windows.OF_VECTORS = windows
    keras.utils.set_random_seed(seed)
    builder, sizes = NETWORKS[network]
    pair = builder(x.shape[1:], 10, timesteps=FLAGS.timesteps, **({} if FLAGS.large else sizes))
    count = len(x) // FLAGS.batch_size * FLAGS.batch_size  # full batches: another size would be compiled again
    schedule = keras.optimizers.schedules.CosineDecay(6e-3, FLAGS.epochs * count // FLAGS.batch_size)
    pair.compile(keras.optimizers.AdamW(schedule), metrics=["accuracy"])
    history = pair.fit(
        x[:count],
        y[:count],
        batch_size=FLAGS.batch_size,
        epochs=FLAGS.epochs,
        callbacks=[keras_bsd.callbacks.EpochSeconds()],
        verbose=0,
    ).history
    seconds = [epoch / (count // FLAGS.batch_size) for epoch in history["seconds"][1:]]
    return pair.evaluate(*test, batch_size=40, verbose=0, return_dict=True)["accuracy"], seconds


def rows():
    """Yield the table's rows: for each network accuracies and times, with a column for each window."""
    (x, y), (x_test, y_test) = keras_bsd.datasets.load_images(FLAGS.dataset, FLAGS.data_dir)
    data = (
        (x[: FLAGS.samples], y[: FLAGS.samples]),
        (x_test[: FLAGS.test_samples], y_test[: FLAGS.test_samples]),
    )
    for network in FLAGS.networks:
        accuracies, times = [], []
        for window in map(int, FLAGS.windows):
            runs = [train(network, window, seed, data) for seed in range(FLAGS.seeds)]
            accuracies.append(", ".join(f"{100 * accuracy:.2f}" for accuracy, _ in runs))
            times.append(f"{1e3 * np.median([second for _, seconds in runs for second in seconds]):.0f}")
        yield [f"{network}, %", *accuracies]
        yield [f"{network}, ms", *times]


def main(_):
    columns = ["all at once" if window == "0" else f"windows of {window}" for window in FLAGS.windows]
    table = _results.print_rows(["network", *columns], rows())
    if FLAGS.output:
        _results.write_page(FLAGS.output, "Windows of time", table)


if __name__ == "__main__":
    app.run(main)
