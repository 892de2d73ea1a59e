"""Make a preset of the library of what one of the recipes for training trained.

    python applications/make_preset.py --run=runs/mnist-dense --name=mnist_dense

Weights are written in float16 if the score on test data does not suffer. Beside them stands a JSON file with
the command, the metrics and the weights' SHA-256.
"""

import json
import pathlib

import h5py
import keras
import numpy as np
from absl import app, flags
from regression_tasks import Forecast, Text

import keras_bsd
from keras_bsd._files import atomic_write, write_json
from keras_bsd.applications import presets

BSD = ("rate", "readouts")  # rules that presets are trained by; of several in a run the first counts

FLAGS = flags.FLAGS
flags.DEFINE_string("run", None, "Folder where the training's results are.", required=True)
flags.DEFINE_string("name", None, "Of the preset.", required=True)
flags.DEFINE_string("data_dir", None, "Folder of tensorflow_datasets, or of the published series.")
flags.DEFINE_list(
    "labels", None, "What the classes are called, in order (default: what the data set calls them)."
)
flags.DEFINE_string("output_dir", str(presets.FOLDER), "Where presets are.")


def halve(path, halved):
    """Copy a file of weights with all its float32 arrays in float16."""
    with h5py.File(path) as source, h5py.File(halved, "w") as target:

        def copy(name, item):
            if isinstance(item, h5py.Group):
                copied = target.require_group(name)
            else:
                values = item[()]
                values = values.astype("float16") if values.dtype == np.float32 else values
                copied = target.create_dataset(name, data=values, compression="gzip" if values.ndim else None)
            copied.attrs.update(item.attrs)

        target.attrs.update(source.attrs)
        source.visititems(copy)


class Recognition:
    """Test images of a data set."""

    name, score = "recognition", "accuracy"

    def __init__(self, flags):
        _, self.test = keras_bsd.datasets.load_images(flags["dataset"], FLAGS.data_dir)
        self.labels = keras_bsd.datasets.class_labels(flags["dataset"], FLAGS.data_dir)

    def scores(self, model):
        model.compile(metrics=["accuracy"])
        return model.evaluate(*self.test, batch_size=500, verbose=0, return_dict=True)


class Generation(Recognition):
    """Test images, to be reconstructed."""

    name, score = "generation", "mse"

    def scores(self, model):
        x, _ = self.test
        return {"mse": np.square(model.reconstruct(x, batch_size=500) - x, dtype="float64").mean()}


def task_of(metrics):
    """What the network was trained for, with its test data."""
    flags, data = metrics["flags"], metrics.get("data")
    if metrics["task"] == "forecast":
        return Forecast(
            data, FLAGS.data_dir, metrics["arguments"]["window"], flags["horizon"], flags["missing"]
        )
    if metrics["task"] == "text":
        return Text(data, FLAGS.data_dir, flags["window"] or Text.defaults["window"])
    return {"generation": Generation, "recognition": Recognition}[metrics["task"]](flags)


def labels_of(task, arguments):
    """What the classes that a network tells apart, or makes, are called."""
    numbers = [str(i) for i in range(arguments.get("classes", arguments.get("concepts", 0)))]
    labels = FLAGS.labels or getattr(task, "labels", None) or numbers
    if numbers and len(labels) != len(numbers):
        raise ValueError(
            f"Give --labels, one for each of {len(numbers)} classes. "
            f"Received: {len(labels)}, {','.join(labels)}"
        )
    return labels


def main(_):
    run, folder = pathlib.Path(FLAGS.run), pathlib.Path(FLAGS.output_dir)
    metrics = json.loads((run / "metrics.json").read_text())
    rules = [rule for rule in metrics["flags"]["rule"] if rule in BSD]
    if not rules:
        raise ValueError(
            f"A preset is trained by BSD: by --rule={' or '.join(BSD)}. Received: {metrics['command']}"
        )
    task = task_of(metrics)
    labels = labels_of(task, metrics["arguments"])
    builder = getattr(keras_bsd.applications, metrics["application"])
    trained = keras.saving.load_model(run / f"{rules[0]}.keras", compile=False)
    trained.stage_readouts.clear()  # they have served

    def score(path):
        return float(task.scores(builder(**metrics["arguments"], weights=path))[task.score])

    with atomic_write(folder / f"{FLAGS.name}{presets.SUFFIX}") as weights:
        whole = weights.with_name(f"whole{presets.SUFFIX}")
        trained.save_weights(whole)
        halve(whole, weights)
        full, half = score(whole), score(weights)
        suffers = half < full - 5e-4 if task.score == "accuracy" else half > full * 1.005
        if suffers:
            whole.replace(weights)
        published = {
            "application": metrics["application"],
            "arguments": {**metrics["arguments"], "neuron": {}},
            "task": task.name,
            "data": metrics["data"],
            "labels": labels,
            f"test_{task.score}": full if suffers else half,
            "parameters": trained.encoder.count_params(),
            "sha256": presets.digest(weights),
            "command": metrics["command"],
            "metrics": metrics,
        }
    write_json(folder / f"{FLAGS.name}.json", published)
    print(f"{FLAGS.name}: test {task.score} {half:.5g} with float16 weights, {full:.5g} with float32")


if __name__ == "__main__":
    app.run(main)
