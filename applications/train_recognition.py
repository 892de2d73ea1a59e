"""Train a spiking classifier by BSD, and the same network by backpropagation through time.

    python applications/train_recognition.py
    python applications/train_recognition.py --dataset=mnist --units=512,512,512,512,512 --epochs=10

Writes a picture, the trained model and all figures to `--output_dir`.
"""

import importlib.metadata
import json
import os
import pathlib
import platform
import sys
import time

import keras
import numpy as np
from absl import app, flags
from matplotlib.figure import Figure

import keras_bsd
from keras_bsd import plots
from keras_bsd.files import replacing

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", "digits", "digits, or the name of a tensorflow_datasets image set.")
flags.DEFINE_string("data_dir", None, "Folder of tensorflow_datasets.")
flags.DEFINE_enum("network", "mlp", ["mlp", "conv"], "SpikingMLP or SpikingConvNet.")
flags.DEFINE_list("units", ["256", "256", "256"], "Neurons of each stage of the mlp.")
flags.DEFINE_integer("timesteps", 4, "Time steps.", lower_bound=1)
flags.DEFINE_integer("epochs", 25, "Epochs.", lower_bound=1)
flags.DEFINE_integer("batch_size", 64, "Samples a batch.", lower_bound=1)
flags.DEFINE_float("learning_rate", 6e-3, "AdamW's highest rate for BSD; it falls to zero as a cosine.")
flags.DEFINE_float("baseline_learning_rate", 3e-3, "The same for backpropagation.")
flags.DEFINE_bool("baseline", True, "Train the same network by backpropagation through time too.")
flags.DEFINE_bool(
    "jit_compile", None, "Compile by XLA (default: Keras decides): dense networks train faster on a CPU."
)
flags.DEFINE_integer("seed", 0, "Of weights and order of samples.")
flags.DEFINE_string("output_dir", None, "Where results go (default: runs/DATASET).")


def build(images, classes):
    """A fresh pair; the same weights at every call."""
    keras.utils.set_random_seed(FLAGS.seed)
    shared = {"input_shape": images.shape[1:], "classes": classes, "timesteps": FLAGS.timesteps}
    if FLAGS.network == "conv":
        return keras_bsd.applications.SpikingConvNet(**shared)
    return keras_bsd.applications.SpikingMLP(**shared, units=[int(units) for units in FLAGS.units])


def train(network, x, y, learning_rate):
    """Fit a model; gives its history and the seconds it took."""
    steps = FLAGS.epochs * int(np.ceil(0.9 * len(x) / FLAGS.batch_size))
    network.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(learning_rate, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile="auto" if FLAGS.jit_compile is None else FLAGS.jit_compile,
    )
    start = time.perf_counter()
    history = network.fit(
        x,
        y,
        batch_size=FLAGS.batch_size,
        epochs=FLAGS.epochs,
        validation_split=0.1,
        callbacks=[keras_bsd.callbacks.StageProgress()],
    )
    return history.history, time.perf_counter() - start


def draw_report(model, histories, digit, path):
    """Curves, alignment, the spikes of one sample and what each concept recalls, on one page."""
    figure = Figure(figsize=(13, 8), layout="constrained")
    axes = figure.subplot_mosaic([["loss", "accuracy", "raster"], ["alignment", "recall", "raster"]])
    for metric in ("loss", "accuracy"):
        plots.learning_curves(histories, metric, axes[metric])
    plots.alignment(histories["BSD"], axes["alignment"])
    spikes = {stage: trains[0] for stage, trains in model.spikes(digit[None]).items()}
    plots.spike_raster(spikes, axis=axes["raster"])
    concepts = np.arange(min(model.encoder.output_shape[-1], 20))
    plots.stimuli(model.recall(concepts), [str(c) for c in concepts], columns=5, axis=axes["recall"])
    titles = {"alignment": "encoder and decoder agree", "recall": "what the decoder recalls"}
    for name, title in {**titles, "raster": "one test sample's spikes"}.items():
        axes[name].set_title(title)
    with replacing(path) as written:
        figure.savefig(written, dpi=120)


def save_and_load(model, x, path):
    """Save the model, load it back, and raise unless it predicts the same."""
    with replacing(path) as written:
        model.save(written)
    loaded = keras.saving.load_model(path)
    if not np.array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0)):
        raise RuntimeError(f"The model loaded from {path} does not predict what the saved one did.")


def main(_):
    folder = pathlib.Path(FLAGS.output_dir or f"runs/{FLAGS.dataset}")
    (x, y), (x_test, y_test) = keras_bsd.datasets.load_images(FLAGS.dataset, FLAGS.data_dir)
    classes = int(y.max()) + 1
    histories, accuracy, seconds = {}, {}, {}

    print(f"Bidirectional spike-based distillation, {len(x)} samples of {FLAGS.dataset}:")
    model = build(x, classes)
    histories["BSD"], seconds["BSD"] = train(model, x, y, FLAGS.learning_rate)
    accuracy["BSD"] = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
    if FLAGS.baseline:
        print("The same network by backpropagation through time:")
        encoder = build(x, classes).encoder
        name = "backpropagation"
        histories[name], seconds[name] = train(encoder, x, y, FLAGS.baseline_learning_rate)
        accuracy[name] = encoder.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]

    draw_report(model, histories, x_test[0], folder / "report.png")
    save_and_load(model, x_test, folder / "model.keras")
    metrics = {
        "test_accuracy": accuracy,
        "seconds": seconds,
        "flags": {flag.name: flag.value for flag in FLAGS.get_key_flags_for_module(sys.argv[0])},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            keras.config.backend(): importlib.metadata.version(keras.config.backend()),
            "keras_bsd": keras_bsd.__version__,
        },
    }
    with replacing(folder / "metrics.json") as written:
        written.write_text(json.dumps(metrics, indent=2))

    for name in accuracy:
        print(f"{name}: {accuracy[name]:.2%} of {len(x_test)} test samples, {seconds[name]:.0f} s of training")
    print(f"Report: {folder / 'report.png'}")
    print(f"Model, loaded back and checked: {folder / 'model.keras'}")
    print(f"Figures: {folder / 'metrics.json'}")


if __name__ == "__main__":
    app.run(main)
