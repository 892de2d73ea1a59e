"""Make a preset of the library of what `train_recognition.py` trained.

    python applications/make_preset.py --run=runs/mnist-dense --name=mnist_dense

Weights are written in float16 if the test accuracy does not suffer. Beside them stands a JSON file with
the command, the metrics and the weights' SHA-256.
"""

import json
import pathlib

import h5py
import keras
import numpy as np
from absl import app, flags

import keras_bsd
from keras_bsd.applications import presets
from keras_bsd.files import replacing, write_json

FLAGS = flags.FLAGS
flags.DEFINE_string("run", None, "Folder where the training's results are.", required=True)
flags.DEFINE_string("name", None, "Of the preset.", required=True)
flags.DEFINE_string("data_dir", None, "Folder of tensorflow_datasets.")
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


def main(_):
    run, folder = pathlib.Path(FLAGS.run), pathlib.Path(FLAGS.output_dir)
    metrics = json.loads((run / "metrics.json").read_text())
    if "rate" not in metrics["test_accuracy"]:
        raise ValueError(f"A preset is trained by BSD: by --rule=rate. Received: {metrics['command']}")
    dataset = metrics["flags"]["dataset"]
    _, test = keras_bsd.datasets.load_images(dataset, FLAGS.data_dir)
    labels = keras_bsd.datasets.class_labels(dataset, FLAGS.data_dir)
    builder = getattr(keras_bsd.applications, metrics["application"])
    trained = keras.saving.load_model(run / "rate.keras", compile=False)

    def accuracy(path):
        model = builder(**metrics["arguments"], weights=path)
        model.compile(metrics=["accuracy"])
        return model.evaluate(*test, batch_size=500, verbose=0, return_dict=True)["accuracy"]

    with replacing(folder / f"{FLAGS.name}{presets.SUFFIX}") as weights:
        whole = weights.with_name(f"whole{presets.SUFFIX}")
        trained.save_weights(whole)
        halve(whole, weights)
        full, half = accuracy(whole), accuracy(weights)
        published_accuracy = half
        if half < full - 5e-4:
            whole.replace(weights)
            published_accuracy = full
        published = {
            "application": metrics["application"],
            "arguments": {**metrics["arguments"], "neuron": {}},
            "task": "recognition",
            "data": dataset,
            "labels": labels or [str(i) for i in range(metrics["arguments"]["classes"])],
            "test_accuracy": published_accuracy,
            "parameters": trained.encoder.count_params(),
            "sha256": presets.digest(weights),
            "command": metrics["command"],
            "metrics": metrics,
        }
    write_json(folder / f"{FLAGS.name}.json", published)
    print(f"{FLAGS.name}: {half:.2%} of the test samples with float16 weights, {full:.2%} with float32")


if __name__ == "__main__":
    app.run(main)
