"""Evaluate a trained classifier on test data, beside a baseline: accuracy, calibration, robustness.

    python applications/evaluate_recognition.py --model=runs/digits/rate.keras --baseline=runs/digits/ann.keras
    python applications/evaluate_recognition.py --model=mnist_dense --dataset=mnist --data_dir=DIR

Writes pictures, tables in Markdown and all figures in JSON to `--output_dir`.
"""

import itertools
import pathlib

import keras
import numpy as np
from absl import app, flags
from keras import ops
from matplotlib.figure import Figure
from scipy import ndimage
from sklearn.metrics import ConfusionMatrixDisplay, classification_report
from tabulate import tabulate
from tqdm import tqdm

import keras_bsd
from keras_bsd import plots, runs
from keras_bsd._files import atomic_write, write_json
from keras_bsd.applications import presets

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "A .keras file, or the name of a preset.", required=True)
flags.DEFINE_string("baseline", None, "Another one, to compare with.")
flags.DEFINE_string("dataset", "digits", "As in train_recognition.py.")
flags.DEFINE_string("data_dir", None, "Folder of tensorflow_datasets.")
flags.DEFINE_integer("samples", None, "Test samples, the first of the set (default: all).", lower_bound=1)
flags.DEFINE_integer("most_timesteps", 8, "Accuracy is measured from 1 to so many steps.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Of noise, occlusion and dropped spikes.")
flags.DEFINE_string("output_dir", "runs/evaluation", "Where results go.")

BINS = 15


class DropSpikes(keras.layers.Layer):
    """Loses each spike with a probability, at inference too."""

    def __init__(self, probability, seed, **kwargs):
        super().__init__(**kwargs)
        self.probability = probability
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, spikes):
        kept = keras.random.uniform(ops.shape(spikes), seed=self.generator) >= self.probability
        return spikes * ops.cast(kept, spikes.dtype)


def noise(images, deviation):
    generator = np.random.default_rng(FLAGS.seed)
    return np.clip(images + deviation * generator.normal(size=images.shape), 0, 1)


def blur(images, deviation):
    pixels = deviation * images.shape[1] / 32
    return ndimage.gaussian_filter(images, (0, pixels, pixels, 0))


def contrast(images, lost):
    means = images.mean(axis=(1, 2), keepdims=True)
    return means + (1 - lost) * (images - means)


def occlusion(images, side):
    """A black square somewhere in each image."""
    height, width = (round(side * pixels) for pixels in images.shape[1:3])
    generator = np.random.default_rng(FLAGS.seed)
    top = generator.integers(0, images.shape[1] - height, len(images), endpoint=True)[:, None, None]
    left = generator.integers(0, images.shape[2] - width, len(images), endpoint=True)[:, None, None]
    rows, columns = np.arange(images.shape[1])[:, None], np.arange(images.shape[2])
    hidden = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return np.where(hidden[..., None], 0, images)


CORRUPTIONS = {  # what is changed, in which unit, and five strengths
    "Gaussian noise": (noise, "standard deviation", (0.05, 0.1, 0.2, 0.3, 0.4)),
    "blur": (blur, "standard deviation, 32nds of the image", (0.5, 1.0, 1.5, 2.0, 3.0)),
    "contrast": (contrast, "part lost", (0.3, 0.5, 0.7, 0.8, 0.9)),
    "occlusion": (occlusion, "side of the square, part of the image", (0.2, 0.3, 0.4, 0.5, 0.6)),
}
DROPPED = (0.1, 0.2, 0.3, 0.4, 0.5)


def load(name):
    """The classifier alone: of a pair its encoder."""
    model = presets.load(name)
    return getattr(model, "encoder", model)


def with_dropped_spikes(encoder, probability):
    """A copy in which each spike between stages is lost with a probability."""

    def copy(layer):
        copied = layer.__class__.from_config(layer.get_config())
        if not isinstance(layer, keras_bsd.layers.SpikingStage):
            return copied
        return keras.Sequential([copied, DropSpikes(probability, next(seeds))], name=layer.name)

    seeds = itertools.count(FLAGS.seed)  # each stage loses others
    copied = keras.models.clone_model(encoder, clone_function=copy, recursive=True)
    copied.set_weights(encoder.get_weights())
    return copied


def accuracy(network, x, y):
    return float((scores(network, x).argmax(axis=1) == y).mean())


def scores(network, x):
    return network.predict(x.astype("float32"), batch_size=500, verbose=0).astype("float32")


def calibration(probabilities, y):
    """Expected calibration error, and for each bin of confidence its mean, accuracy and samples."""
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
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


def evaluation(network, x, y, labels):
    """All that is measured of one network."""
    probabilities = scores(network, x)
    decided = probabilities.argmax(axis=1)
    names = [labels[i] for i in np.union1d(y, decided)]
    right = float((decided == y).mean())
    found = {
        "accuracy": right,
        "classes": classification_report(y, decided, target_names=names, output_dict=True, zero_division=0),
        "calibration": calibration(probabilities, y),
        "decided": decided.tolist(),
        "timesteps": {},
        "robustness": {
            name: {0.0: right}
            | {strength: accuracy(network, corrupt(x, strength), y) for strength in strengths}
            for name, (corrupt, _, strengths) in tqdm(CORRUPTIONS.items(), "corruptions", leave=False)
        },
    }
    if keras_bsd.layers.flatten_stages(network):
        found["timesteps"] = {
            steps: accuracy(keras_bsd.with_timesteps(network, steps), x, y)
            for steps in tqdm(range(1, FLAGS.most_timesteps + 1), "time steps", leave=False)
        }
        found["robustness"]["dropped spikes"] = {0.0: right} | {
            probability: accuracy(with_dropped_spikes(network, probability), x, y)
            for probability in tqdm(DROPPED, "dropped spikes", leave=False)
        }
    return found


def draw(found, y, labels, folder):
    """The confusion matrix of the first network, and curves of all."""
    figure = Figure(figsize=(7, 6), layout="constrained")
    decided = next(iter(found.values()))["decided"]
    ConfusionMatrixDisplay.from_predictions(
        y,
        decided,
        labels=range(len(labels)),
        display_labels=labels,
        include_values=len(labels) <= 20,
        xticks_rotation="vertical",
        ax=figure.add_subplot(),
    )
    save(figure, folder / "confusion.png")

    figure = Figure(figsize=(13, 7), layout="constrained")
    axes = iter(figure.subplots(2, 4).ravel())
    plots.accuracies(
        {name: kept["timesteps"] for name, kept in found.items() if kept["timesteps"]},
        "time steps",
        next(axes),
    )
    units = {name: unit for name, (_, unit, _) in CORRUPTIONS.items()} | {"dropped spikes": "part lost"}
    for kind, unit in units.items():
        curves = {name: kept["robustness"][kind] for name, kept in found.items() if kind in kept["robustness"]}
        plots.accuracies(curves, f"{kind}: {unit}", next(axes))
    plots.calibration({name: kept["calibration"]["bins"] for name, kept in found.items()}, next(axes))
    next(axes).set_axis_off()
    save(figure, folder / "curves.png")


def save(figure, path):
    with atomic_write(path) as written:
        figure.savefig(written, dpi=120)


def tables(found, labels):
    """The figures as Markdown."""
    names = list(found)
    parts = [
        "# Evaluation",
        table(
            ["", *names],
            [
                ["accuracy, %", *(percent(found[name]["accuracy"]) for name in names)],
                [
                    "expected calibration error, points",
                    *(percent(found[name]["calibration"]["expected_calibration_error"]) for name in names),
                ],
            ],
        ),
        f"## Classes ({names[0]})",
        table(
            ["class", "precision, %", "recall, %", "F1, %", "samples"],
            [
                [
                    label,
                    *(percent(row[kind]) for kind in ("precision", "recall", "f1-score")),
                    int(row["support"]),
                ]
                for label, row in found[names[0]]["classes"].items()
                if label in labels
            ],
        ),
        "## Time steps",
        curve_table(
            "time steps", {name: found[name]["timesteps"] for name in names if found[name]["timesteps"]}
        ),
    ]
    for kind in dict.fromkeys(kind for name in names for kind in found[name]["robustness"]):
        curves = {name: found[name]["robustness"].get(kind, {}) for name in names}
        parts += [f"## {kind[0].upper()}{kind[1:]}", curve_table("strength", curves)]
    return "\n\n".join(parts) + "\n"


def curve_table(what, curves):
    points = list(dict.fromkeys(point for curve in curves.values() for point in curve))
    rows = [
        [name, *(percent(curve[point]) if point in curve else "-" for point in points)]
        for name, curve in curves.items()
    ]
    return table([f"accuracy, %; {what}", *points], rows)


def percent(part):
    return f"{100 * part:.2f}"


def table(header, rows):
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True)


def main(_):
    folder = pathlib.Path(FLAGS.output_dir)
    _, (x, y) = keras_bsd.datasets.load_images(FLAGS.dataset, FLAGS.data_dir)
    x, y = x[: FLAGS.samples], y[: FLAGS.samples]
    names = [name for name in (FLAGS.model, FLAGS.baseline) if name]
    short = [pathlib.Path(name).stem for name in names]
    networks = dict(zip(short if len({*short}) == len(names) else names, map(load, names), strict=True))
    classes = next(iter(networks.values())).output_shape[-1]
    labels = keras_bsd.datasets.class_labels(FLAGS.dataset, FLAGS.data_dir) or [str(i) for i in range(classes)]
    found = {name: evaluation(network, x, y, labels) for name, network in networks.items()}
    draw(found, y, labels, folder)
    with atomic_write(folder / "evaluation.md") as written:
        written.write_text(tables(found, labels))
    record = {
        "networks": found,
        "flags": runs.settings(),
        **keras_bsd.environment(["scikit-learn", "scipy"]),
    }
    write_json(folder / "evaluation.json", record)
    for name, kept in found.items():
        print(f"{name}: {kept['accuracy']:.2%} of {len(x)} test samples")
    for name in ("evaluation.md", "confusion.png", "curves.png", "evaluation.json"):
        print(folder / name)


if __name__ == "__main__":
    app.run(main)
