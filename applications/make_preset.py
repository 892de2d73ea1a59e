"""Make a preset of the library from a run of a training recipe.

    python applications/make_preset.py --run=runs/mnist-dense --name=mnist_dense

Stores the weights in float16 with seven bits of mantissa unless the score on test data suffers. The JSON record
beside them holds the network's arguments, its score, the weights' SHA-256, and how it was trained: command,
scores and environment; and the verdicts and energy of an audit, if `audit_model.py --output_dir=RUN` was run.
`keras_bsd.applications.model_card` writes the preset's model card from the record.
"""

import hashlib
import json

import _flags
import _run
import h5py
import keras
import numpy as np
from absl import app, flags
from tasks.forecast import Forecast
from tasks.generation import Generation
from tasks.recognition import Recognition
from tasks.text import Text

import keras_bsd

METHODS = ("rate", "readouts")  # which presets are trained by; of several in a run, the first counts
SUFFIX = ".weights.h5"
# What short weights may cost: ten of 10,000 samples, a fraction of what another sample of test data would.
LOSS_OF_ACCURACY, RISE_OF_ERROR = 1e-3, 5e-3

FLAGS = flags.FLAGS
flags.DEFINE_string("run", None, "Folder of the training run.", required=True)
flags.DEFINE_string("name", None, "Name of the preset.", required=True)
flags.DEFINE_string("data_dir", None, "Folder of TensorFlow Datasets, or of the published series.")
flags.DEFINE_string("dataset", None, "Data set that the preset is tested on (default: that of the run).")
flags.DEFINE_list("labels", None, "Names of the classes, in order (default: those of the data set).")
flags.DEFINE_multi_string("note", [], "A sentence on the preset's limits, for its model card; may be repeated.")
flags.DEFINE_string("output_dir", str(_flags.PRESETS), "Folder of the presets.")


def rounded(values):
    """Return values in float16 with seven bits of mantissa, as bfloat16 has, so that they compress better."""
    bits = values.astype("float16").view("uint16")
    return ((bits + 0b100) & 0xFFF8).view("float16")  # the last three bits of ten are zero


def shorten(path, shortened):
    """Copy a file of weights with all its float32 arrays rounded, and compressed."""
    options = {"compression": "gzip", "shuffle": True}
    with h5py.File(path) as source, h5py.File(shortened, "w") as target:

        def copy(name, item):
            if isinstance(item, h5py.Group):
                copied = target.require_group(name)
            else:
                values = item[()]
                values = rounded(values) if values.dtype == np.float32 else values
                copied = target.create_dataset(name, data=values, **(options if values.ndim else {}))
            copied.attrs.update(item.attrs)

        target.attrs.update(source.attrs)
        source.visititems(copy)


def load_task(metrics):
    """Return the task of a run, with its test data."""
    settings, data = metrics["flags"], FLAGS.dataset or metrics["data"]
    if metrics["task"] == "forecast":
        window = metrics["arguments"]["window"]
        return Forecast(data, FLAGS.data_dir, window, settings["horizon"], settings["missing"])
    if metrics["task"] == "text":
        return Text(data, FLAGS.data_dir, settings["window"] or Text.defaults["window"])
    return {"generation": Generation, "recognition": Recognition}[metrics["task"]](data, FLAGS.data_dir)


def class_names(task, arguments) -> list:
    """Return the names of the classes that a network recognises or generates."""
    numbers = [str(i) for i in range(arguments.get("classes", arguments.get("concepts", 0)))]
    labels = FLAGS.labels or getattr(task, "labels", None) or numbers
    if numbers and len(labels) != len(numbers):
        raise ValueError(
            f"Give --labels, one for each of {len(numbers)} classes. "
            f"Received: {len(labels)}, {','.join(labels)}"
        )
    return labels


def write_weights(model, task, score, path) -> float:
    """Write a model's weights, shortened unless the score suffers, and return the score of what was written.

    Args:
        model: trained pair.
        task: its task.
        score: function from the path of a file of weights to the score.
        path: path to write to.
    """
    whole = path.with_name(f"whole{SUFFIX}")
    model.save_weights(whole)
    shorten(whole, path)
    full, short = score(whole), score(path)
    print(f"{FLAGS.name}: test {task.score} {short:.5g} with short weights, {full:.5g} with float32")
    suffers = (
        short < full - LOSS_OF_ACCURACY if task.score == "accuracy" else short > full * (1 + RISE_OF_ERROR)
    )
    if suffers:
        whole.replace(path)
    return full if suffers else short


def without_histories(record):
    if not isinstance(record, dict):
        return record
    return {name: without_histories(value) for name, value in record.items() if name != "history"}


def training_record(metrics, method) -> dict:
    """Return how a preset was trained: a run's record for one method, the scores of others, no histories."""
    entries = ("flags", "fine_tuned_from", "date", "machine", "backend", "versions")
    others = {
        name: {"scores": other["scores"], "seconds": other["seconds"]}
        for name, other in metrics["methods"].items()
        if name != method
    }
    others |= {name: {"scores": scores} for name, scores in metrics.get("baselines", {}).items()}
    return {
        "method": method,
        "scores": metrics["methods"][method]["scores"],
        "seconds": metrics["methods"][method]["seconds"],
        **({"compared_with": others} if others else {}),
        **{name: without_histories(metrics[name]) for name in entries if name in metrics},
    }


def audit_record(path) -> dict:
    """Return the verdicts and the energy of an audit's JSON file, or an empty dict if there is no such file."""
    if not path.exists():
        return {}
    audit = json.loads(path.read_text())
    plausibility, energy = audit["plausibility"], audit["energy"]
    criteria = {
        name: {"title": criterion["title"], "verdict": criterion["verdict"]}
        for name, criterion in plausibility["criteria"].items()
    }
    return {
        "plausibility": {"samples": plausibility["samples"], "criteria": criteria},
        "energy": {
            **{name: energy[name] for name in ("samples", "energy", "ann_energy")},
            "costs": {"name": energy["costs"]["name"]},
        },
    }


def main(_):
    run, folder = _run.expand(FLAGS.run), _run.expand(FLAGS.output_dir)
    metrics = json.loads((run / "metrics.json").read_text())
    method = next((method for method in metrics["methods"] if method in METHODS), None)
    if method is None:
        raise ValueError(
            f"A preset must be trained by BSD: --method={' or '.join(METHODS)}. Received: {metrics['command']}"
        )
    task = load_task(metrics)
    labels = class_names(task, metrics["arguments"])
    builder = getattr(keras_bsd.applications, metrics["application"])
    model = keras.saving.load_model(run / f"{method}.keras", compile=False)
    model.stage_readouts.clear()  # they serve training only

    def score(path):
        return float(task.scores(builder(**metrics["arguments"], weights=path))[task.score])

    with _run.atomic_write(folder / f"{FLAGS.name}{SUFFIX}") as path:
        published = write_weights(model, task, score, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    record = {
        "application": metrics["application"],
        "arguments": {**metrics["arguments"], "neuron": {}},
        "task": task.name,
        "data": FLAGS.dataset or metrics["data"],
        "labels": labels,
        f"test_{task.score}": published,
        "parameters": model.encoder.count_params(),
        "sha256": digest,
        "command": metrics["command"],
        "notes": FLAGS.note,
        "audit": audit_record(run / "audit.json"),
        "training": training_record(metrics, method),
    }
    _run.write_json(folder / f"{FLAGS.name}.json", record)


if __name__ == "__main__":
    app.run(main)
