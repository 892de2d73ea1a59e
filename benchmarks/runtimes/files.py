"""Exported files of presets, test stimuli, and what Keras computes for them."""

import json
from typing import NamedTuple

import numpy as np
from keras import ops

from applications import _run
from keras_bsd import datasets, export
from keras_bsd.applications import load_preset
from keras_bsd.applications._presets import record
from keras_bsd.export._network import exported_network, run_with_margins

PRECISIONS = ("float32", "float16", "int8")
OUTPUTS = (("", ("scores",)), (".counts", ("scores", "spike_counts")))  # by suffix of a file's name
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


def prepare(preset, folder, versions, data_dir, series_dir):
    """Return the `Reference` of a preset, after its files have been written to a folder that lacks them.

    Args:
        preset: its name.
        folder: path. Files that other versions of packages wrote, or of other weights, are written anew.
        versions: dict of the packages' versions.
        data_dir, series_dir: folders of data, or None.
    """
    folder.mkdir(parents=True, exist_ok=True)
    complete, origin = folder / "complete.json", {"versions": versions, "preset": record(preset)}
    if not complete.exists() or json.loads(complete.read_text()).get("origin") != origin:
        for path in (complete, *folder.glob("*.tflite*")):
            path.unlink(missing_ok=True)
        model = load_preset(preset)
        x_train, x = load_stimuli(model, record(preset)["data"], data_dir, series_dir)
        length = LENGTH if hasattr(model, "alphabet") else None
        write_onnx(model, preset, folder, x_train, length)
        write_litert(model, folder, x_train, length)
        kept, outputs = expected(exported_network(model), x)
        np.savez(folder / "reference.npz", x=x[:kept], **{f"out/{k}": v for k, v in outputs.items()})
        classes = "test_accuracy" in record(preset)
        facts = {"has_classes": classes, "is_whole": kept == len(x)}
        _run.write_json(complete, {"origin": origin, "facts": facts})
    facts = json.loads(complete.read_text())["facts"]
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
    for suffix, outputs in OUTPUTS:
        source = folder / f"float32{suffix}.onnx"
        export.export_onnx(model, source, outputs=outputs, length=length, labels=preset)
        for precision in ("float16", "int8"):
            target = folder / f"{precision}{suffix}.onnx"
            export.compress_onnx(source, target, precision, x_train[:CALIBRATION])


def write_litert(model, folder, x_train, length):
    """Write the same files for LiteRT, or its error in place of a file."""
    for suffix, outputs in OUTPUTS:
        for precision in PRECISIONS:
            x = x_train[: CALIBRATION // 5] if precision == "int8" else None  # it is slow
            target = folder / f"{precision}{suffix}.tflite"
            try:
                export.export_litert(model, target, precision, x, outputs=outputs, length=length)
            except Exception as error:  # the converter raises what it likes
                target.with_suffix(".tflite.txt").write_text(str(error))


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
