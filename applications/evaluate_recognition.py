"""Evaluate a trained classifier on test data, beside others: accuracy, calibration, robustness.

    python applications/evaluate_recognition.py --model=runs/digits/rate.keras --baseline=runs/digits/ann.keras
    python applications/evaluate_recognition.py --model=mnist_dense --dataset=mnist --data_dir=DIR

Writes pictures, tables in Markdown and all results in JSON to `--output_dir`.
"""

import _flags
import _run
import numpy as np
from absl import app, flags
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, classification_report
from tabulate import tabulate
from tasks.corruptions import CORRUPTIONS, DROPPED, with_dropped_spikes
from tasks.recognition import BATCH, Recognition
from tqdm import tqdm

import keras_bsd
from keras_bsd import plots

FLAGS = flags.FLAGS
_flags.define_evaluation_flags("train_recognition.py", "runs/evaluation")
_flags.define_baseline()
flags.DEFINE_integer("max_timesteps", 8, "Measure the accuracy from 1 to this many time steps.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Seed of noise, occlusion and dropped spikes.")

BINS = 15
TITLES = {name: corruption.title for name, corruption in CORRUPTIONS.items()} | {
    "dropped_spikes": "dropped spikes"
}
UNITS = {name: corruption.unit for name, corruption in CORRUPTIONS.items()} | {
    "dropped_spikes": "fraction lost"
}


def probabilities(network, x):
    return network.predict(x.astype("float32"), batch_size=BATCH, verbose=0).astype("float32")


def accuracy(network, x, y) -> float:
    return float((probabilities(network, x).argmax(axis=1) == y).mean())


def calibration(scores, y) -> dict:
    """Return the expected calibration error, and of each bin of confidence its mean, accuracy and samples."""
    confidence, correct = scores.max(axis=1), scores.argmax(axis=1) == y
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    table = [
        {
            "confidence": float(confidence[bins == i].mean()),
            "accuracy": float(correct[bins == i].mean()),
            "samples": int((bins == i).sum()),
        }
        for i in np.unique(bins)
    ]
    error = sum(row["samples"] * abs(row["confidence"] - row["accuracy"]) for row in table) / len(y)
    return {"expected_calibration_error": error, "bins": table}


def class_scores(predictions, y, labels) -> dict:
    """Return precision, recall, F1 and number of samples by label, and their averages."""
    names = [labels[i] for i in np.union1d(y, predictions)]
    report = classification_report(y, predictions, target_names=names, output_dict=True, zero_division=0)
    rows = {
        name: {
            "precision": row["precision"],
            "recall": row["recall"],
            "f1": row["f1-score"],
            "samples": int(row["support"]),
        }
        for name, row in report.items()
        if isinstance(row, dict)
    }
    return {
        "classes": {name: rows[name] for name in names},
        "macro_average": rows["macro avg"],
        "weighted_average": rows["weighted avg"],
    }


def evaluate(network, x, y, labels) -> dict:
    """Return all results of one network."""
    scores = probabilities(network, x)
    predictions = scores.argmax(axis=1)
    clean = float((predictions == y).mean())
    results = {
        "accuracy": clean,
        **class_scores(predictions, y, labels),
        "calibration": calibration(scores, y),
        "predictions": predictions.tolist(),
        "timesteps": {},
        "robustness": {
            name: {0.0: clean}
            | {
                strength: accuracy(network, corruption.apply(x, strength, FLAGS.seed), y)
                for strength in corruption.strengths
            }
            for name, corruption in tqdm(CORRUPTIONS.items(), "corruptions", leave=False)
        },
    }
    if keras_bsd.layers.flatten_stages(network):
        results["timesteps"] = {
            steps: accuracy(keras_bsd.with_timesteps(network, steps), x, y)
            for steps in tqdm(range(1, FLAGS.max_timesteps + 1), "time steps", leave=False)
        }
        results["robustness"]["dropped_spikes"] = {0.0: clean} | {
            probability: accuracy(with_dropped_spikes(network, probability, FLAGS.seed), x, y)
            for probability in tqdm(DROPPED, "dropped spikes", leave=False)
        }
    return results


def draw_confusion(predictions, y, labels) -> Figure:
    figure = Figure(figsize=(7, 6), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        y,
        predictions,
        labels=range(len(labels)),
        display_labels=labels,
        include_values=len(labels) <= 20,
        xticks_rotation="vertical",
        ax=figure.add_subplot(),
    )
    return figure


def draw_curves(results) -> Figure:
    """Draw accuracies against time steps and strengths of corruption, and calibration, of all networks."""
    figure = Figure(figsize=(13, 7), layout="constrained")
    axes = iter(figure.subplots(2, 4).ravel())
    timesteps = {name: result["timesteps"] for name, result in results.items() if result["timesteps"]}
    plots.accuracies(timesteps, "time steps", next(axes))
    for kind, title in TITLES.items():
        curves = {
            name: result["robustness"][kind] for name, result in results.items() if kind in result["robustness"]
        }
        plots.accuracies(curves, f"{title}: {UNITS[kind]}", next(axes))
    plots.calibration({name: result["calibration"]["bins"] for name, result in results.items()}, next(axes))
    next(axes).set_axis_off()
    return figure


def tables(results) -> str:
    """Return the results as Markdown."""
    first = next(iter(results))
    errors = [result["calibration"]["expected_calibration_error"] for result in results.values()]
    totals = [
        ["accuracy, %", *(percent(result["accuracy"]) for result in results.values())],
        ["expected calibration error, points", *map(percent, errors)],
    ]
    classes = [
        [label, *(percent(row[kind]) for kind in ("precision", "recall", "f1")), row["samples"]]
        for label, row in results[first]["classes"].items()
    ]
    parts = ["# Evaluation", table(["", *results], totals)]
    header = ["class", "precision, %", "recall, %", "F1, %", "samples"]
    parts += [f"## Classes ({first})", table(header, classes)]
    timesteps = {name: result["timesteps"] for name, result in results.items() if result["timesteps"]}
    parts += ["## Time steps", curve_table("time steps", timesteps)]
    for kind, title in TITLES.items():
        curves = {name: result["robustness"].get(kind, {}) for name, result in results.items()}
        if any(curves.values()):
            parts += [f"## {title[0].upper()}{title[1:]}", curve_table("strength", curves)]
    return "\n\n".join(parts) + "\n"


def curve_table(variable, curves) -> str:
    points = list(dict.fromkeys(point for curve in curves.values() for point in curve))
    rows = [
        [name, *(percent(curve[point]) if point in curve else "-" for point in points)]
        for name, curve in curves.items()
    ]
    return table([f"accuracy, %; {variable}", *points], rows)


def percent(fraction) -> str:
    return f"{100 * fraction:.2f}"


def table(header, rows) -> str:
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True)


def main(_):
    folder = _run.expand(FLAGS.output_dir)
    task = Recognition(FLAGS.dataset, FLAGS.data_dir)
    x, y = (values[: FLAGS.samples] for values in task.test)
    networks = {name: getattr(model, "encoder", model) for name, model in _flags.load_models().items()}
    classes = next(iter(networks.values())).output_shape[-1]
    labels = task.labels or [str(i) for i in range(classes)]
    results = {name: evaluate(network, x, y, labels) for name, network in networks.items()}
    predictions = next(iter(results.values()))["predictions"]
    _run.save_figure(draw_confusion(predictions, y, labels), folder / "confusion.png")
    _run.save_figure(draw_curves(results), folder / "curves.png")
    _run.save_text(tables(results), folder / "evaluation.md")
    record = {"networks": results, **_run.circumstances(["scikit-learn", "scipy"])}
    _run.write_json(folder / "evaluation.json", record)
    for name, result in results.items():
        print(f"{name}: {result['accuracy']:.2%} of {len(x)} test samples")
    for name in ("evaluation.md", "confusion.png", "curves.png", "evaluation.json"):
        print(folder / name)


if __name__ == "__main__":
    app.run(main)
