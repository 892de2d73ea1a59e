"""Exported files of presets, test stimuli, and what Keras computes for them."""

import json
import logging
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from applications import _run
from keras_bsd import datasets, export
from keras_bsd.applications import load_preset
from keras_bsd.applications._presets import record
from keras_bsd.export._network import exported_network, run_with_margins
from keras_bsd.export._programs import whole

PRECISIONS = ("float32", "float16", "int8")
CALIBRATION = 500  # training samples that calibrate int8
LENGTH = 32  # characters of a sequence
MOST_COUNTS = 30_000_000  # spike counts of the samples of a preset: the first that fit
KEPT = 100  # samples of a call of Keras


class Reference(NamedTuple):
    """Test stimuli and Keras's outputs for them, by name as in the files."""

    x: np.ndarray
    outputs: dict[str, np.ndarray]
    has_classes: bool
    is_whole: bool  # all samples of the test set


def prepare(preset, folder, data_dir, series_dir):
    """Return the `Reference` of a preset, after its files have been written to a folder that lacks them."""
    folder.mkdir(parents=True, exist_ok=True)
    complete = folder / "complete.json"
    if not complete.exists():
        model = load_preset(preset)
        x_train, x = load_stimuli(model, record(preset)["data"], data_dir, series_dir)
        network = exported_network(model)
        length = LENGTH if hasattr(model, "alphabet") else None
        write_onnx(model, preset, folder, x_train, length)
        write_litert(network, folder, x_train, length)
        kept, outputs = expected(network, x)
        np.savez(folder / "reference.npz", x=x[:kept], **{f"out/{k}": v for k, v in outputs.items()})
        classes = "test_accuracy" in record(preset)
        _run.write_json(complete, {"has_classes": classes, "is_whole": kept == len(x)})
    facts = json.loads(complete.read_text())
    with np.load(folder / "reference.npz") as saved:
        outputs = {name.removeprefix("out/"): saved[name] for name in saved.files if name != "x"}
        return Reference(saved["x"], outputs, **facts)


def load_stimuli(model, data, data_dir, series_dir):
    """Return training and test stimuli of a preset's data set, in the type of the network's input."""
    (entry,) = exported_network(model).inputs
    if hasattr(model, "alphabet"):
        train, _, test = datasets.load_text(data, data_dir)
        stimuli = [datasets.chunks(model.encode(text), LENGTH)[0] for text in (train, test)]
    elif len(entry.shape) == 3:
        series = datasets.load_series(data, series_dir)
        splits = datasets.standardized_splits(series, entry.shape[1], 1)
        stimuli = [datasets.windows(splits[i], entry.shape[1], 1)[0] for i in (0, 2)]
    else:
        stimuli = [x for x, _ in datasets.load_images(data, data_dir)]
    return [np.asarray(x).astype(entry.dtype) for x in stimuli]


def write_onnx(model, preset, folder, x_train, length):
    """Write the files `PRECISION.onnx`, and for their spike counts `PRECISION.counts.onnx`."""
    for suffix, outputs in (("", ("scores",)), (".counts", ("scores", "spike_counts"))):
        source = folder / f"float32{suffix}.onnx"
        export.export_onnx(model, source, outputs=outputs, length=length, labels=preset)
        for precision in ("float16", "int8"):
            target = folder / f"{precision}{suffix}.onnx"
            export.compress_onnx(source, target, precision, x_train[:CALIBRATION])


def write_litert(network, folder, x_train, length):
    """Write the same files by TensorFlow's converter, or its error in place of a file."""
    import tensorflow as tf

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    for suffix, outputs in (("", ("scores",)), (".counts", ("scores", "spike_counts"))):
        saved = str(folder / f"saved{suffix}")
        write_saved_model(network, whole(network, outputs, length), saved)
        for precision in PRECISIONS:
            converter = tf.lite.TFLiteConverter.from_saved_model(saved)
            if precision != "float32":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if precision == "float16":
                converter.target_spec.supported_types = [tf.float16]
            if precision == "int8":
                batches = x_train[: CALIBRATION // 5, None]  # of one: it knows no other
                converter.representative_dataset = lambda batches=batches: ([batch] for batch in batches)
            target = folder / f"{precision}{suffix}.tflite"
            try:
                target.write_bytes(converter.convert())
            except Exception as error:  # the converter raises what it likes
                target.with_suffix(".tflite.txt").write_text(str(error))


def write_saved_model(network, program, path):
    """Write a program as TensorFlow's SavedModel."""
    import tensorflow as tf

    def serve(stimulus):
        return program.call({"stimulus": stimulus})

    shape, dtype = program.inputs["stimulus"]
    archive = keras.export.ExportArchive()
    archive.track(network)
    signature = [tf.TensorSpec((None, *shape), dtype, "stimulus")]
    archive.add_endpoint("serving_default", serve, input_signature=signature)
    archive.write_out(path, verbose=False)


def expected(network, x):
    """Return for how many samples Keras's outputs are kept, and those outputs by name."""
    parts, kept = [], len(x)
    for start in range(0, len(x), KEPT):
        if start >= kept:
            break
        batch = x[start : min(start + KEPT, kept)]
        spikes, _ = run_with_margins(network, ops.convert_to_tensor(batch))
        counts = {
            f"spike_counts/{name}": ops.convert_to_numpy(ops.sum(s, axis=1)) for name, s in spikes.items()
        }
        parts.append(
            {"scores": network.predict_on_batch(batch)} | {k: v.astype("uint8") for k, v in counts.items()}
        )
        neurons = sum(value[0].size for value in parts[0].values())
        kept = min(len(x), max(KEPT, MOST_COUNTS // neurons))
    return kept, {name: np.concatenate([part[name] for part in parts])[:kept] for name in parts[0]}
