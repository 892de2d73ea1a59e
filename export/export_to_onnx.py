"""Export a trained network to ONNX, and compare the file with Keras on test data.

    python export/export_to_onnx.py --model=runs/digits/rate.keras
    python export/export_to_onnx.py --model=mnist_dense --dataset=mnist --data_dir=DIR --output=mnist.onnx
    python export/export_to_onnx.py --model=tiny_shakespeare --data_dir=DIR --streaming

A file that takes images takes them in [0, 1], as the recipes train on; its metadata say how to make them of
whole numbers from 0 to 255. Prints the comparison, and ends with an error if the two decide differently.
"""

import pathlib

from absl import app, flags

import keras_bsd
from keras_bsd import datasets, export, sequences
from keras_bsd._files import write_json
from keras_bsd.applications import presets
from keras_bsd.export._compression import PRECISIONS

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "A .keras file, or the name of a preset.", required=True)
flags.DEFINE_string("output", None, "Path of the file (default: the model's, or its name, with .onnx).")
flags.DEFINE_list("outputs", ["scores", "spike_counts"], "Of scores, spike_counts, firing_rates, spikes.")
flags.DEFINE_enum("precision", "float32", ["float32", *PRECISIONS], "float16 and int8 make small files.")
flags.DEFINE_bool("streaming", False, "Write one time step or element, its states handed in and out.")
flags.DEFINE_integer("opset", None, "Version of ONNX's operations (default: the newest that can be).")
flags.DEFINE_string(
    "dataset",
    None,
    "To compare on, as in the recipe that trains (default: digits, mackey_glass or tiny_shakespeare).",
)
flags.DEFINE_string("data_dir", None, "Folder of tensorflow_datasets, or of the published series.")
flags.DEFINE_integer("length", 32, "Characters of a text that are compared, and that the file takes.")
flags.DEFINE_integer("samples", None, "Test samples, the first of the set (default: all).", lower_bound=1)
flags.DEFINE_string("report", None, "Path of a .json file for the comparison.")

CALIBRATION = 500  # training samples that int8 is calibrated on


def data(model):
    """Training stimuli, and test stimuli with their classes, if there are any, as the model takes them."""
    shape = getattr(model, "encoder", model).input_shape
    if hasattr(model, "alphabet"):
        parts = sequences.load_text(FLAGS.dataset or "tiny_shakespeare", FLAGS.data_dir)
        (x_train, _), _, test = (sequences.pieces(model.encode(part), FLAGS.length) for part in parts)
    elif len(shape) == 3:
        series = sequences.load_series(FLAGS.dataset or "mackey_glass", FLAGS.data_dir)
        parts = sequences.standardized_splits(series, shape[1], 1)
        x_train, _, x = (sequences.windows(part, shape[1], 1)[0] for part in parts)
        test = x, None
    else:
        (x_train, _), test = datasets.load_images(FLAGS.dataset or "digits", FLAGS.data_dir)
    return x_train, test


def described(model):
    """Labels of the file's scores, and what makes stimuli of raw data, as far as there are any."""
    shape = getattr(model, "encoder", model).input_shape
    preprocess = (0, 255) if len(shape) == 4 else None
    if presets.is_preset(FLAGS.model):
        return {"labels": FLAGS.model, "preprocess": preprocess}
    if hasattr(model, "alphabet"):
        return {"labels": [*model.alphabet]}
    if getattr(model, "task", "classification") == "classification" and preprocess:
        labels = datasets.class_labels(FLAGS.dataset or "digits", FLAGS.data_dir)
        return {"labels": labels, "preprocess": preprocess}
    return {"preprocess": preprocess}


def main(_):
    path = pathlib.Path(FLAGS.output or pathlib.Path(FLAGS.model).with_suffix(".onnx"))
    model = presets.load(FLAGS.model)
    x_train, (x, y) = data(model)
    x, y = x[: FLAGS.samples], None if y is None else y[: FLAGS.samples]
    any_length = hasattr(model, "alphabet") and not FLAGS.streaming
    options = {"streaming": FLAGS.streaming, "length": FLAGS.length if any_length else None}
    export.export_onnx(model, path, outputs=FLAGS.outputs, opset=FLAGS.opset, **options, **described(model))
    if FLAGS.precision != "float32":
        export.compress_onnx(path, path, FLAGS.precision, x_train[:CALIBRATION])
    report = export.check_onnx(model, path, x, y)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, compared with Keras on {len(x)} test samples")
    for name, found in sorted(report["outputs"].items()):
        parts = [f"largest difference {found['largest_difference']:.2g}"]
        if "accuracy" in found:
            parts.append(f"accuracy {found['accuracy']:.2%}, in Keras {found['keras_accuracy']:.2%}")
        if "same" in found:
            parts.append(f"{found['same']:.4%} the same")
        if "unexplained" in found:
            explained = f"{found['near_threshold']} differ at a threshold or after an earlier stage"
            parts.append(f"{explained}, {found['unexplained']} otherwise")
        print(f"  {name}: {', '.join(parts)}")
    if FLAGS.report:
        write_json(FLAGS.report, {**report, **keras_bsd.environment(["onnx", "tf2onnx", "onnxruntime"])})
    if FLAGS.precision == "float32" and report["outputs"].get("scores", {}).get("same", 1.0) < 1:
        raise SystemExit("The file does not decide as Keras does.")


if __name__ == "__main__":
    app.run(main)
