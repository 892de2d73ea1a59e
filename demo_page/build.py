"""Build the page on which a visitor draws a digit and sees a network recognise it.

    python demo_page/build.py
    python demo_page/build.py --model=runs/mnist/rate.keras --output_dir=runs/my_page
    python -m http.server --bind 127.0.0.1 --directory runs/demo_page

The folder holds all that the page needs, ONNX Runtime Web included, which npm fetches at the first build.
"""

import json
import pathlib
import shutil
import subprocess

import keras
import numpy as np
from absl import app, flags

from keras_bsd import export
from keras_bsd._files import write_json
from keras_bsd.applications import presets

FLAGS = flags.FLAGS
flags.DEFINE_string("model", "mnist_dense", "A preset, or a .keras file, of images (28, 28, 1) and classes.")
flags.DEFINE_string("output_dir", "runs/demo_page", "Folder of the page.")

HERE = pathlib.Path(__file__).parent
PAGE = ("index.html", "page.css", "page.js", "preprocess.js", "icon.svg")
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
SHAPE = (28, 28, 1)


def runtime():
    """Folder of ONNX Runtime Web, of the version in the lock file."""
    package, lock = "node_modules/onnxruntime-web", HERE / "package-lock.json"
    wanted, found = json.loads(lock.read_text())["packages"][package], HERE / package / "package.json"
    if not found.exists() or json.loads(found.read_text())["version"] != wanted["version"]:
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit(
                "The page needs npm, to fetch ONNX Runtime Web. Install Node.js, which brings it "
                "(https://nodejs.org; on Debian: apt install npm), and try again."
            )
        subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, check=True)
    return HERE / package / "dist"


def load(name):
    """The pair, once it is known to be one of images like MNIST's and classes."""
    model = presets.load(name)
    shape = getattr(getattr(model, "encoder", model), "input_shape", None)
    if shape != (None, *SHAPE) or getattr(model, "task", None) != "classification":
        raise SystemExit(f"The page shows classifiers of images {SHAPE}. Received: --model={name}, {shape=}")
    return model


def description(name):
    """What the page says of the network."""
    if not presets.is_preset(name):
        return f"The network is {pathlib.Path(name).name}."
    known = presets.record(name)
    return (
        f"The network is {name}, which learned without backpropagation. It has {known['parameters']:,} "
        f"parameters and classifies {known['test_accuracy']:.2%} of {known['data']}'s test images correctly."
    )


def build(name, folder):
    """Write the page of a preset or `.keras` file into a folder."""
    dist, model = runtime(), load(name)
    classes = model.encoder.output_shape[-1]
    labels = presets.record(name)["labels"] if presets.is_preset(name) else [str(i) for i in range(classes)]
    folder.mkdir(parents=True, exist_ok=True)
    for source in [*(HERE / file for file in PAGE), *(dist / file for file in RUNTIME)]:
        shutil.copy(source, folder)
    export.export_onnx(model, folder / "network.onnx", outputs=("scores", "spikes"), labels=labels)
    recalled = [f"recalled-{i}.png" for i in range(classes)]
    for file, image in zip(recalled, model.recall(np.arange(classes)), strict=True):
        keras.utils.save_img(folder / file, 255 * np.clip(image, 0, 1), scale=False)
    about = {"description": description(name), "labels": labels, "recalled": recalled}
    write_json(folder / "network.json", about)


def main(_):
    build(FLAGS.model, pathlib.Path(FLAGS.output_dir))
    print(f"The page is in {FLAGS.output_dir}")


if __name__ == "__main__":
    app.run(main)
