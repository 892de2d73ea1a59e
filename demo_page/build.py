"""Build the page on which a visitor draws a digit and watches a network recognise it.

    .venv/bin/python -m demo_page.build
    .venv/bin/python -m demo_page.build --model=runs/mnist/rate.keras --output_dir=runs/my_page
    .venv/bin/python -m http.server --bind 127.0.0.1 --directory runs/demo_page

The folder holds everything that the page needs, including ONNX Runtime Web, which npm downloads at the first
build.
"""

import importlib.resources
import json
import pathlib
import shutil
import subprocess

from applications import _run  # isort: skip, before Keras

import keras
import numpy as np
from absl import app, flags

import keras_bsd
from keras_bsd.applications import load_preset

FLAGS = flags.FLAGS
flags.DEFINE_string("model", "mnist_dense", "A preset or .keras file of a classifier of (28, 28, 1) images.")
flags.DEFINE_string("output_dir", "runs/demo_page", "Folder of the page.")

HERE = pathlib.Path(__file__).parent
RECORDS = importlib.resources.files("keras_bsd.applications") / "weights"
PAGE = ("index.html", "page.css", "page.js", "preprocess.js", "icon.svg")
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
SHAPE = (28, 28, 1)


def install_runtime():
    """Return the folder of ONNX Runtime Web, installed by npm in the version of the lock file."""
    package, lock = "node_modules/onnxruntime-web", HERE / "package-lock.json"
    locked = json.loads(lock.read_text())["packages"][package]["version"]
    manifest = HERE / package / "package.json"
    if not manifest.exists() or json.loads(manifest.read_text())["version"] != locked:
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit(
                "The build needs npm to download ONNX Runtime Web. Install Node.js, which includes npm "
                "(https://nodejs.org; on Debian: apt install npm), and build again."
            )
        subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, check=True)
    return HERE / package / "dist"


def load_classifier(name):
    """Return the pair of a preset or `.keras` file; exit unless it classifies images of MNIST's shape."""
    model = load_preset(name)
    shape = getattr(getattr(model, "encoder", model), "input_shape", None)
    if shape != (None, *SHAPE) or getattr(model, "task", None) != "classification":
        raise SystemExit(f"The page needs a classifier of {SHAPE} images. Received: --model={name}, {shape=}")
    return model


def describe(name, classes):
    """Return the page's sentences about the network, and the labels of its classes."""
    record = RECORDS / f"{name}.json"
    if not record.is_file():
        return f"The network is {pathlib.Path(name).name}.", [str(i) for i in range(classes)]
    preset = json.loads(record.read_text())
    description = (
        f"The network is {name}, trained without backpropagation. It has {preset['parameters']:,} parameters "
        f"and classifies {preset['test_accuracy']:.2%} of {preset['data']}'s test images correctly."
    )
    return description, preset["labels"]


def build(name, folder):
    """Write the page of a preset or `.keras` file into a folder."""
    runtime, model = install_runtime(), load_classifier(name)
    classes = model.encoder.output_shape[-1]
    description, labels = describe(name, classes)
    folder.mkdir(parents=True, exist_ok=True)
    for source in [*(HERE / file for file in PAGE), *(runtime / file for file in RUNTIME)]:
        shutil.copy(source, folder)
    outputs = ("scores", "spikes")
    keras_bsd.export.export_onnx(model, folder / "network.onnx", outputs=outputs, labels=labels)
    recalled = [f"recalled-{i}.png" for i in range(classes)]
    for file, image in zip(recalled, model.recall(np.arange(classes)), strict=True):
        keras.utils.save_img(folder / file, 255 * np.clip(image, 0, 1), scale=False)
    content = {"description": description, "labels": labels, "recalled": recalled}
    _run.write_json(folder / "network.json", content)


def main(_):
    build(FLAGS.model, pathlib.Path(FLAGS.output_dir))
    print(f"Page: {FLAGS.output_dir}")


if __name__ == "__main__":
    app.run(main)
