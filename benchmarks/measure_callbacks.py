"""What the callbacks add to training: their own time beside that of the epochs.

    python tests/benchmarks/measure_callbacks.py --samples=12800 --batch_size=128

Prints a Markdown table: medians over the epochs after the first, in which functions are compiled. Random
stimuli of MNIST's shape, five stages of 512 neurons.
"""

import tempfile
import time

import keras
import numpy as np
from absl import app, flags

import keras_bsd
from keras_bsd.callbacks import EpochSeconds, FiringRateCheck, LayerAlignment, StimulusGrid

FLAGS = flags.FLAGS
flags.DEFINE_integer("samples", 12800, "Training samples.")
flags.DEFINE_integer("batch_size", 128, "Samples a batch.")
flags.DEFINE_integer("epochs", 6, "Epochs, of which the first does not count.", lower_bound=2)


def timed(callback):
    """The callback's seconds at every epoch's end, a list that fills while it is used."""
    seconds, on_epoch_end = [], callback.on_epoch_end

    def measured(epoch, logs=None):
        start = time.perf_counter()
        on_epoch_end(epoch, logs)
        seconds.append(time.perf_counter() - start)

    callback.on_epoch_end = measured
    return seconds


def main(_):
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x = generator.random((FLAGS.samples, 28, 28, 1), "float32")
    y = generator.integers(0, 10, FLAGS.samples)
    model = keras_bsd.applications.SpikingMLP((28, 28, 1), 10)
    model.compile(keras.optimizers.AdamW(3e-3))
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [LayerAlignment(x[:64], y[:64]), StimulusGrid(folder, log_dir=folder), FiringRateCheck()]
        taken = {type(callback).__name__: timed(callback) for callback in callbacks}
        history = model.fit(
            x, y, FLAGS.batch_size, FLAGS.epochs, verbose=0, callbacks=[EpochSeconds(), *callbacks]
        ).history
    steps, epoch = -(-FLAGS.samples // FLAGS.batch_size), np.median(history["seconds"][1:])
    print("| callback | ms an epoch | of the epoch's steps, % |")
    print("| --- | --- | --- |")
    print(f"| none: {steps} steps | {1e3 * epoch:.0f} | 100 |")
    for name, seconds in taken.items():
        added = np.median(seconds[1:])
        print(f"| {name} | {1e3 * added:.1f} | {100 * added / epoch:.2f} |")


if __name__ == "__main__":
    app.run(main)
