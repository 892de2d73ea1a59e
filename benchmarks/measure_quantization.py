"""Measure presets in every format: accuracy or error on test data, size of the file, time of inference.

    .venv/bin/python -m benchmarks.measure_quantization --data_dir=DIR --output=runs/quantization.md
    .venv/bin/python -m benchmarks.measure_quantization --data_dir=DIR --presets=mnist_dense --samples=10000

Prints a Markdown table; `--output` writes it as a page, which explains the formats. Scores are those of the
first test samples, the same for all formats. Times are medians of one sample at a time, on one thread of a CPU.
"""

import contextlib
import io
import os
import pathlib
import tempfile
import time
import warnings

from benchmarks import _results  # isort: skip, before Keras

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

from keras_bsd import datasets, export
from keras_bsd.applications import load_preset
from keras_bsd.applications._presets import record

FLAGS = flags.FLAGS
PRESETS = (
    "mnist_dense,mnist_autoencoder,etth1_hourly,tiny_shakespeare,mnist_conv,cifar10_autoencoder,"
    "fashion_mnist_conv,cifar10_conv"
)
FORMATS = {
    "keras": ("float32", "bfloat16", "int8", "int8_weights"),
    "onnx": ("float32", "float16", "int8_weights", "int8_kept", "int8_rounded"),
    "litert": ("float32", "dynamic", "int8"),
}
ALL = [f"{runtime} {precision}" for runtime, precisions in FORMATS.items() for precision in precisions]
flags.DEFINE_list("presets", PRESETS.split(","), "Names of presets.")
flags.DEFINE_list("formats", ALL, f"Some of {', '.join(ALL)}.")
flags.DEFINE_string(
    "data_dir", None, "Folder of tensorflow_datasets; series are in the folder series beside it."
)
flags.DEFINE_integer("samples", 500, "Test samples, the first of the set.", lower_bound=1)
flags.DEFINE_float("seconds", 0.5, "Minimum seconds of a measurement of time; at least 5 runs.", lower_bound=0)
flags.DEFINE_string("output", None, "Path of a .md page for the table.")
flags.register_validator("formats", set(ALL).issuperset, f"must be some of {', '.join(ALL)}")

HEADER = ["preset", "format", "MB", "accuracy, % or squared error", "against Keras float32", "ms a sample"]
CALIBRATION, BATCH, CHARACTERS = 300, 50, 32
NOTES = """The score of a classifier is its accuracy, that of an autoencoder or a forecaster its squared error;
all formats are compared on the same first test samples. Times are medians of one sample, on one thread.

- `keras bfloat16` is the policy mixed_bfloat16: weights are stored in float32. `keras int8` is
  `quantize("int8")`, `keras int8_weights` the same without rounded inputs of `Dense` layers.
- `onnx int8_kept` and `onnx int8_rounded` are static int8 of `compress_onnx`, whose convolutions output
  currents in single precision or rounded. The former is the default for analogue outputs, the
  latter for classes.
- `litert` files are those of `export_litert`, run by TensorFlow's interpreter.

Decision: [float16 and int8](../../docs/decisions/reduced-precision.md)."""


def load_data(model, name):
    """Return training stimuli, test stimuli and their targets: classes, or values."""
    data = record(name)["data"]
    if hasattr(model, "alphabet"):
        splits = [
            datasets.chunks(model.encode(text), CHARACTERS) for text in datasets.load_text(data, FLAGS.data_dir)
        ]
        (x_train, _), _, (x, y) = splits
    elif len(model.encoder.input_shape) == 3:
        window, horizon = model.encoder.input_shape[1], model.encoder.output_shape[1]
        folder = FLAGS.data_dir and pathlib.Path(FLAGS.data_dir).parent / "series"
        splits = datasets.standardized_splits(datasets.load_series(data, folder), window, horizon)
        (x_train, _), _, (x, y) = (datasets.windows(split, window, horizon) for split in splits)
    else:
        (x_train, _), (x, y) = datasets.load_images(data, FLAGS.data_dir)
        y = x if record(name)["task"] == "generation" else y
    dtype = model.encoder.inputs[0].dtype
    return x_train[:CALIBRATION].astype(dtype), x[: FLAGS.samples].astype(dtype), y[: FLAGS.samples]


def make_keras(name, precision, folder, _):
    """Return a function that runs the preset in Keras, and the path of its file."""
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    try:
        model = load_preset(name)
    finally:
        keras.config.set_dtype_policy("float32")
    if precision == "int8":
        model.quantize("int8")
    if precision == "int8_weights":
        model.quantize(config=keras.quantizers.Int8QuantizationConfig(activation_quantizer=None))
    path = folder / "network.keras"
    model.encoder.save(path)
    return model.encoder.predict_on_batch, path


def make_onnx(name, precision, folder, x):
    """Return a function that runs the preset in ONNX Runtime, and the path of its file."""
    import onnxruntime

    source, path, model = folder / "float32.onnx", folder / f"{precision}.onnx", load_preset(name)
    if not source.exists():
        export.export_onnx(model, source, length=CHARACTERS if hasattr(model, "alphabet") else None)
    if precision in ("int8_kept", "int8_rounded"):
        export.compress_onnx(source, path, "int8", x, keep_currents=precision == "int8_kept")
    elif precision != "float32":
        export.compress_onnx(source, path, precision)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(["scores"], {"stimulus": batch})[0], path


def make_litert(name, precision, folder, x):
    """Return a function that runs the preset in LiteRT, and the path of its file."""
    path, model = folder / f"{precision}.tflite", load_preset(name)
    length = CHARACTERS if hasattr(model, "alphabet") else None
    with contextlib.redirect_stdout(io.StringIO()):
        export.export_litert(model, path, precision, x if precision == "int8" else None, length=length)
    interpreter = tf.lite.Interpreter(str(path), num_threads=1)
    (entry,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    shapes = []

    def run(batch):
        if shapes[-1:] != [batch.shape]:
            interpreter.resize_tensor_input(entry["index"], batch.shape)
            interpreter.allocate_tensors()
            shapes.append(batch.shape)
        interpreter.set_tensor(entry["index"], batch)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    return run, path


MAKERS = {"keras": make_keras, "onnx": make_onnx, "litert": make_litert}


def score(run, x, y, classifies):
    """Return the accuracy, or the mean squared error."""
    outputs = np.concatenate([np.asarray(run(x[i : i + BATCH]), "float32") for i in range(0, len(x), BATCH)])
    return float(np.mean(outputs.argmax(-1) == y) if classifies else np.mean((outputs - y) ** 2))


def milliseconds(run, x):
    """Return the median time of one sample."""
    run(x[:1])
    seconds = []
    while len(seconds) < 5 or sum(seconds) < FLAGS.seconds:
        i = len(seconds) % len(x)
        start = time.perf_counter()
        run(x[i : i + 1])
        seconds.append(time.perf_counter() - start)
    return 1e3 * float(np.median(seconds))


def measure():
    """Yield the rows of the table."""
    for name in FLAGS.presets:
        model = load_preset(name)
        classifies = "test_accuracy" in record(name)
        x_train, x, y = load_data(model, name)
        reference = None
        with tempfile.TemporaryDirectory() as folder:
            for entry in FLAGS.formats:
                runtime, precision = entry.split()
                try:
                    run, path = MAKERS[runtime](name, precision, pathlib.Path(folder), x_train)
                    value, size, took = (
                        score(run, x, y, classifies),
                        os.path.getsize(path),
                        milliseconds(run, x),
                    )
                except (RuntimeError, ValueError, tf.errors.OpError) as error:
                    yield [name, entry, "-", "-", str(error).splitlines()[0][:60].replace("|", "/"), "-"]
                    continue
                reference = reference or value
                cells = (
                    [f"{100 * value:.1f}", f"{100 * (value - reference):+.1f} points"]
                    if classifies
                    else [f"{value:.5f}", f"{100 * (value / reference - 1):+.2f} %"]
                )
                yield [name, entry, f"{size / 1e6:.2f}", *cells, f"{took:.2f}"]


def main(_):
    warnings.filterwarnings("ignore", "(?s).*tf.lite.Interpreter is deprecated")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    table = _results.print_rows(HEADER, measure())
    if FLAGS.output:
        packages = ["onnxruntime", "tf2onnx"]
        _results.write_page(FLAGS.output, "Formats of presets", table, NOTES, packages=packages)


if __name__ == "__main__":
    app.run(main)
