"""Measure what a spiking autoencoder reconstructs, generates and completes, and draw it.

    python applications/evaluate_generation.py --model=runs/digits-generation/rate.keras \
        --baseline=runs/digits-generation/backprop.keras --classifier=runs/digits/rate.keras

The classifier, a preset or a file that `train_recognition.py` wrote, says what generated and completed stimuli
show, and its last spiking stage's firing rates are the features in which sets of stimuli are compared. With
`--inception`, those are of InceptionV3 with its ImageNet weights, which Keras downloads.

Writes to `--output_dir` evaluation.md and evaluation.json with all figures, and pictures.
"""

import pathlib

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags
from matplotlib.figure import Figure
from sklearn.neighbors import NearestNeighbors
from tabulate import tabulate

import keras_bsd
from keras_bsd import generative_metrics, plots, runs
from keras_bsd._files import atomic_write, write_json
from keras_bsd.applications import presets

BATCH = 500
SHOWN = 10

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "A preset, or the path of a .keras file.", required=True)
flags.DEFINE_list("baseline", [], "Further ones to compare with.")
flags.DEFINE_string("classifier", None, "A recognition preset, or the path of a .keras file.", required=True)
flags.DEFINE_bool("inception", False, "Compare sets in features of InceptionV3, for the FID.")
flags.DEFINE_string("dataset", "digits", "See train_generation.py.")
flags.DEFINE_string("data_dir", None, "Folder of tensorflow_datasets.")
flags.DEFINE_integer("samples", None, "Test samples, the first of the set (default: all).", lower_bound=20)
flags.DEFINE_float("temperature", 1.0, "Of what is generated.", lower_bound=0)
flags.DEFINE_integer("iterations", 4, "Of completion.", lower_bound=1)
flags.DEFINE_float("doubt", 0.05, "Of completion: how far the prior is believed.", lower_bound=0)
flags.DEFINE_integer("seed", 0, "Of what is generated and of the cues to complete from.")
flags.DEFINE_string("output_dir", "runs/evaluation-generation", "Where results go.")


class Judge:
    """Says what stimuli show, and gives features of them."""

    def __init__(self, name):
        model = presets.load(name)
        encoder = getattr(model, "encoder", model)
        stage = keras_bsd.layers.flatten_stages(encoder, keras_bsd.layers.SpikingStage)[-1]
        rates = keras.ops.mean(stage.output, axis=1)
        if len(rates.shape) == 4:
            rates = keras.ops.mean(rates, axis=(1, 2))
        self._classifier = keras.Model(encoder.inputs, [encoder.outputs[0], rates])
        self._inception, self.features = None, f"the last stage of {pathlib.Path(name).stem}"
        if FLAGS.inception:
            self._inception, self.features = keras.applications.InceptionV3(include_top=False), "InceptionV3"

    def __call__(self, images):
        """Classes `(batch,)` and features `(batch, features)`."""
        scores, features = self._classifier.predict(images, batch_size=BATCH, verbose=0)
        if self._inception is not None:
            parts = np.array_split(images, range(BATCH, len(images), BATCH))
            features = np.concatenate([self._seen_by_inception(part) for part in parts])
        return scores.argmax(axis=1), features

    def _seen_by_inception(self, images):
        colours = np.broadcast_to(images, (*images.shape[:3], 3))
        large = keras.ops.image.resize(255 * colours, (299, 299))
        maps = self._inception(keras.applications.inception_v3.preprocess_input(large))
        return keras.ops.convert_to_numpy(keras.ops.mean(maps, axis=(1, 2)))


def cues(x):
    """By name, what is known of each stimulus: the mask, and the stimuli that are given."""
    generator = np.random.default_rng(FLAGS.seed)
    upper = np.broadcast_to(np.arange(x.shape[1])[:, None, None] < x.shape[1] // 2, x.shape)
    some = np.broadcast_to(generator.random((*x.shape[:3], 1)) < 0.25, x.shape)
    noisy = np.clip(x + generator.normal(0, 0.4, x.shape), 0, 1).astype("float32")
    return {"upper half": (upper, x), "25 % of the pixels": (some, x), "noise": (None, noisy)}


def completed(model, mask, given):
    """What a model makes of cues: noise is not to be kept, so it is reconstructed."""
    if mask is None:
        return model.reconstruct(given, batch_size=BATCH)
    return model.complete(given, mask, FLAGS.iterations, FLAGS.doubt, batch_size=BATCH)


def reconstruction(made, x):
    window = min(7, *(side - 1 + side % 2 for side in x.shape[1:3]))
    return {
        "mean squared error": float(np.square(made - x, dtype="float64").mean()),
        "SSIM": float(tf.reduce_mean(tf.image.ssim(x, made, max_val=1.0, filter_size=window))),
        "PSNR, dB": float(tf.reduce_mean(tf.image.psnr(x, made, max_val=1.0))),
    }


def evaluation(model, judge, data):
    """All that is measured of one model, and the pictures that go with it."""
    (x_train, _), (x, y) = data
    made = np.clip(model.reconstruct(x, batch_size=BATCH), 0, 1)
    generated = np.clip(model.generate(len(x), y, FLAGS.seed, FLAGS.temperature, batch_size=BATCH), 0, 1)
    shown, features = judge(generated)
    _, real_features = judge(x)
    precision, recall = generative_metrics.precision_recall(real_features, features)
    finder = NearestNeighbors(n_neighbors=1).fit(x_train.reshape(len(x_train), -1))
    to_train = {
        name: finder.kneighbors(images.reshape(len(images), -1))
        for name, images in (("generated", generated), ("test", x))
    }
    figures = {
        **reconstruction(made, x),
        "reconstructed, recognised": float((judge(made)[0] == y).mean()),
        f"Fréchet distance in features of {judge.features}": generative_metrics.frechet_distance(
            real_features, features
        ),
        "precision": precision,
        "recall": recall,
        "generated, recognised as their concept": float((shown == y).mean()),
        "mean pairwise distance, of that of test samples": generative_metrics.mean_pairwise_distance(generated)
        / generative_metrics.mean_pairwise_distance(x),
        "distance to the nearest training sample, of that of test samples": float(
            to_train["generated"][0].mean() / to_train["test"][0].mean()
        ),
    }
    strips = {"stimuli": x[:SHOWN], "reconstructed": made[:SHOWN]}
    for name, (mask, given) in cues(x).items():
        whole = completed(model, mask, given)
        seen = given if mask is None else np.where(mask, given, 0)
        figures[f"recognised from {name}: as it is"] = float((judge(seen)[0] == y).mean())
        figures[f"recognised from {name}: completed"] = float((judge(whole)[0] == y).mean())
        strips |= {name: seen[:SHOWN], f"{name}, completed": whole[:SHOWN]}
    nearest = x_train[to_train["generated"][1][:SHOWN, 0]]
    strips |= {"generated": generated[:SHOWN], "nearest training samples": nearest}
    return figures, strips


def draw(model, strips, x, path):
    """Strips of stimuli, a grid of what is generated by concept, and ways from stimulus to stimulus."""
    figure = Figure(figsize=(14, 9), layout="constrained")
    left, right = figure.subfigures(1, 2)
    for axis, (title, images) in zip(left.subplots(len(strips)), strips.items(), strict=True):
        plots.stimuli(images, columns=SHOWN, axis=axis)
        axis.set_title(title, fontsize="small")
    grid, ways = right.subplots(2)
    concepts = np.arange(SHOWN) % model.concepts
    plots.stimuli(model.generate(6 * SHOWN, np.tile(concepts, 6), FLAGS.seed, FLAGS.temperature), axis=grid)
    grid.set_title("generated, a concept in each column")
    between = model.interpolate(x[:5], x[5:10], steps=SHOWN)
    plots.stimuli(between.reshape(-1, *x.shape[1:]), axis=ways)
    ways.set_title("interpolated")
    with atomic_write(path) as written:
        figure.savefig(written, dpi=120)


def main(_):
    folder = pathlib.Path(FLAGS.output_dir)
    train, (x, y) = keras_bsd.datasets.load_images(FLAGS.dataset, FLAGS.data_dir)
    data = train, (x[: FLAGS.samples], y[: FLAGS.samples])
    judge = Judge(FLAGS.classifier)
    found = {}
    for name in (FLAGS.model, *FLAGS.baseline):
        model = presets.load(name)
        found[name], strips = evaluation(model, judge, data)
        draw(model, strips, x, folder / f"{pathlib.Path(name).stem}.png")
        print(folder / f"{pathlib.Path(name).stem}.png")
    rows = [[of, *(figures[of] for figures in found.values())] for of in found[FLAGS.model]]
    names = [pathlib.Path(name).stem for name in found]
    table = tabulate(rows, ["", *names], tablefmt="pipe", floatfmt=".4g")
    with atomic_write(folder / "evaluation.md") as written:
        written.write_text(f"# Evaluation\n\n{table}\n")
    record = {"models": found, "flags": runs.settings(), **keras_bsd.environment(["scikit-learn", "scipy"])}
    write_json(folder / "evaluation.json", record)
    print(table)


if __name__ == "__main__":
    app.run(main)
