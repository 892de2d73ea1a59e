"""Export a trained network to ONNX and compare the file with Keras on test data.

    python export/export_to_onnx.py --model=runs/digits/rate.keras
    python export/export_to_onnx.py --model=mnist_dense --dataset=mnist --data_dir=DIR --output=mnist.onnx
    python export/export_to_onnx.py --model=tiny_shakespeare --data_dir=DIR --streaming

The file of an image network takes images in [0, 1], as in training; its metadata hold the preprocessing of
pixels from 0 to 255. Prints the comparison, and exits with an error if a float32 file decides differently.
"""

import contextlib
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import tempfile

import _quiet  # noqa: F401, before Keras
import keras
from absl import app, flags

from keras_bsd import datasets, export
from keras_bsd.applications import load_preset

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "A .keras file, or the name of a preset.", required=True)
flags.DEFINE_string("output", None, "Path of the .onnx file (default: from the model's path or name).")
flags.DEFINE_list("outputs", ["scores", "spike_counts"], "Some of scores, spike_counts, firing_rates, spikes.")
PRECISIONS = ["float32", "float16", "int8", "int8_weights"]
flags.DEFINE_enum("precision", "float32", PRECISIONS, "Precision of the stored weights.")
flags.DEFINE_bool("streaming", False, "Export one timestep or element, with states as inputs and outputs.")
flags.DEFINE_integer("opset", None, "ONNX opset (default: the newest supported one).")
flags.DEFINE_string(
    "dataset",
    None,
    "Data of the comparison, as for the training recipes (default: digits, mackey_glass or tiny_shakespeare).",
)
flags.DEFINE_string("data_dir", None, "Folder of tensorflow_datasets, or of the published series.")
flags.DEFINE_integer("length", 32, "Characters per sequence of a text network.", lower_bound=1)
flags.DEFINE_integer("samples", None, "Test samples, the first of the set (default: all).", lower_bound=1)
flags.DEFINE_string("report", None, "Path of a .json file for the comparison.")

CALIBRATION = 500  # training samples that calibrate int8
PACKAGES = ("keras_bsd", "keras", "numpy", "onnx", "tf2onnx", "onnxruntime")


def load_data(model):
    """Return training stimuli and test stimuli of the model's kind, the latter with classes or None."""
    shape = getattr(model, "encoder", model).input_shape
    if hasattr(model, "alphabet"):
        splits = datasets.load_text(FLAGS.dataset or "tiny_shakespeare", FLAGS.data_dir)
        (x_train, _), _, test = (datasets.chunks(model.encode(split), FLAGS.length) for split in splits)
    elif len(shape) == 3:
        series = datasets.load_series(FLAGS.dataset or "mackey_glass", FLAGS.data_dir)
        splits = datasets.standardized_splits(series, shape[1], 1)
        x_train, _, x = (datasets.windows(split, shape[1], 1)[0] for split in splits)
        test = x, None
    else:
        (x_train, _), test = datasets.load_images(FLAGS.dataset or "digits", FLAGS.data_dir)
    x, y = test
    return x_train, x[: FLAGS.samples], None if y is None else y[: FLAGS.samples]


def metadata(model):
    """Return the file's labels and preprocessing, where the model has them, as arguments of `export_onnx`."""
    shape = getattr(model, "encoder", model).input_shape
    preprocess = (0, 255) if len(shape) == 4 else None
    path = pathlib.Path(FLAGS.model).expanduser()
    if path.suffix == ".json" or not path.is_file():
        return {"labels": FLAGS.model, "preprocess": preprocess}  # a preset
    if hasattr(model, "alphabet"):
        return {"labels": [*model.alphabet]}
    if getattr(model, "task", "classification") == "classification" and preprocess:
        labels = datasets.class_labels(FLAGS.dataset or "digits", FLAGS.data_dir)
        return {"labels": labels, "preprocess": preprocess}
    return {"preprocess": preprocess}


def write_onnx(model, path, x_train):
    """Write the model's file in the precision of the flag, whole or not at all."""
    length = FLAGS.length if hasattr(model, "alphabet") and not FLAGS.streaming else None
    options = {"outputs": FLAGS.outputs, "opset": FLAGS.opset, "streaming": FLAGS.streaming, "length": length}
    with whole_file(path) as written:
        export.export_onnx(model, written, **options, **metadata(model))
        if FLAGS.precision != "float32":
            x = x_train[:CALIBRATION] if FLAGS.precision == "int8" else None
            export.compress_onnx(written, written, FLAGS.precision, x)


@contextlib.contextmanager
def whole_file(path):
    """Yield a temporary path; its file replaces `path` when the block has ended without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        written = pathlib.Path(folder, path.name)
        yield written
        os.replace(written, path)


def format_comparison(name, comparison):
    """Return the printed line of one output's comparison."""
    parts = [f"largest difference {comparison['largest_difference']:.2g}"]
    if "accuracy" in comparison:
        parts.append(f"accuracy {comparison['accuracy']:.2%} (Keras {comparison['keras_accuracy']:.2%})")
    if "same" in comparison:
        parts.append(f"{comparison['same']:.4%} equal")
    if "unexplained" in comparison:
        parts.append(f"{comparison['near_threshold']} differ at the threshold or after an earlier difference")
        parts.append(f"{comparison['unexplained']} differ otherwise")
    return f"  {name}: {', '.join(parts)}"


def write_report(path, report):
    """Write the comparison with date, backend and versions as JSON, whole or not at all."""
    backend = keras.config.backend()
    versions = {name: importlib.metadata.version(name) for name in dict.fromkeys([*PACKAGES, backend])}
    report = {
        **report,
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "backend": backend,
        "versions": {"python": platform.python_version(), **versions},
    }
    with whole_file(path) as written:
        written.write_text(json.dumps(report, indent=1) + "\n")


def main(_):
    path = pathlib.Path(FLAGS.output or pathlib.Path(FLAGS.model).with_suffix(".onnx")).expanduser()
    model = load_preset(FLAGS.model)
    x_train, x, y = load_data(model)
    write_onnx(model, path, x_train)
    report = export.check_onnx(model, path, x, y)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, compared with Keras on {len(x)} test samples")
    for name, comparison in sorted(report["outputs"].items()):
        print(format_comparison(name, comparison))
    if FLAGS.report:
        write_report(pathlib.Path(FLAGS.report).expanduser(), report)
    if FLAGS.precision == "float32" and report["outputs"].get("scores", {}).get("same", 1.0) < 1:
        raise SystemExit("The file's decisions differ from those of Keras.")


if __name__ == "__main__":
    app.run(main)
