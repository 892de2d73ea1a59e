"""Measure how well spiking autoencoders reconstruct, generate and complete stimuli, and draw them.

    python applications/evaluate_generation.py --model=runs/digits-generation/rate.keras \
        --baseline=runs/digits-generation/backprop.keras --classifier=runs/digits/rate.keras

The classifier, a preset or a .keras file of `train_recognition.py`, recognises generated and completed stimuli.
The firing rates of its last spiking stage are the features in which sets of stimuli are compared; with
`--inception`, features of InceptionV3 with its ImageNet weights, which Keras downloads.

Writes evaluation.md and evaluation.json with all results, and pictures, to `--output_dir`.
"""

import pathlib

import _flags
import _run
import keras
import numpy as np
import tensorflow as tf
from absl import app, flags
from matplotlib.figure import Figure
from sklearn.neighbors import NearestNeighbors
from tabulate import tabulate
from tasks.generation import BATCH, SHOWN, Generation

import keras_bsd
from keras_bsd import metrics, plots

FLAGS = flags.FLAGS
_flags.define_evaluation_flags("train_generation.py", "runs/evaluation-generation", least_samples=20)
_flags.define_baseline()
flags.DEFINE_string(
    "classifier", None, "Preset for recognition, or path of a classifier's .keras file.", required=True
)
flags.DEFINE_bool("inception", False, "Compare sets in features of InceptionV3, for the FID.")
flags.DEFINE_float("temperature", 1.0, "Temperature of generated stimuli.", lower_bound=0)
flags.DEFINE_integer("iterations", 4, "Iterations of completion.", lower_bound=1)
flags.DEFINE_float(
    "rate_noise",
    0.05,
    "Completion: assumed variance of the error in latent rates of incomplete stimuli; 0 ignores the prior.",
    lower_bound=0,
)
flags.DEFINE_integer("seed", 0, "Seed of generated stimuli and of cues.")

TITLES = {
    "mse": "mean squared error",
    "ssim": "SSIM",
    "psnr": "PSNR, dB",
    "recognised_reconstructed": "reconstructed, recognised",
    "frechet_distance": "Fréchet distance",
    "precision": "precision",
    "recall": "recall",
    "recognised_generated": "generated, recognised as their concept",
    "relative_pairwise_distance": "mean pairwise distance, relative to test samples",
    "relative_distance_to_training": "distance to the nearest training sample, relative to test samples",
}
CUES = {"upper_half": "upper half", "quarter_of_pixels": "25 % of the pixels", "noise": "noise"}
for cue, title in CUES.items():
    TITLES[f"recognised_from_{cue}_as_given"] = f"recognised from {title}, as given"
    TITLES[f"recognised_from_{cue}_completed"] = f"recognised from {title}, completed"


class Judge:
    """A classifier of stimuli, and features to compare sets of them.

    Args:
        name: name of a preset, or path of a .keras file.
    """

    def __init__(self, name):
        model = keras_bsd.applications.load_preset(name)
        encoder = getattr(model, "encoder", model)
        stage = keras_bsd.layers.flatten_stages(encoder, keras_bsd.layers.SpikingStage)[-1]
        rates = keras.ops.mean(stage.output, axis=1)
        if len(rates.shape) == 4:
            rates = keras.ops.mean(rates, axis=(1, 2))
        self._classifier = keras.Model(encoder.inputs, [encoder.outputs[0], rates])
        self._inception, self.features = None, f"last stage of {pathlib.Path(name).stem}"
        if FLAGS.inception:
            self._inception, self.features = keras.applications.InceptionV3(include_top=False), "InceptionV3"

    def __call__(self, images):
        """Return classes `(batch,)` and features `(batch, features)`."""
        scores, features = self._classifier.predict(images, batch_size=BATCH, verbose=0)
        if self._inception is not None:
            parts = np.array_split(images, range(BATCH, len(images), BATCH))
            features = np.concatenate([self._inception_features(part) for part in parts])
        return scores.argmax(axis=1), features

    def recognised(self, images, classes) -> float:
        """Return the fraction of images that are classified as `classes`."""
        return float((self(images)[0] == classes).mean())

    def _inception_features(self, images):
        colours = np.broadcast_to(images, (*images.shape[:3], 3))
        large = keras.ops.image.resize(255 * colours, (299, 299), data_format="channels_last")
        maps = self._inception(keras.applications.inception_v3.preprocess_input(large))
        return keras.ops.convert_to_numpy(keras.ops.mean(maps, axis=(1, 2)))


def make_cues(x) -> dict:
    """Return by name a mask of the known values, or None, and stimuli that hold these values."""
    generator = np.random.default_rng(FLAGS.seed)
    upper = np.broadcast_to(np.arange(x.shape[1])[:, None, None] < x.shape[1] // 2, x.shape)
    some = np.broadcast_to(generator.random((*x.shape[:3], 1)) < 0.25, x.shape)
    noisy = np.clip(x + generator.normal(0, 0.4, x.shape), 0, 1).astype("float32")
    return {"upper_half": (upper, x), "quarter_of_pixels": (some, x), "noise": (None, noisy)}


def complete(model, mask, cues):
    """Complete cues; without a mask, reconstruct them, since noisy values are not to be retained."""
    if mask is None:
        return model.reconstruct(cues, batch_size=BATCH)
    return model.complete(cues, mask, FLAGS.iterations, FLAGS.rate_noise, batch_size=BATCH)


def reconstruction_scores(reconstructed, x) -> dict:
    window = min(7, *(side - 1 + side % 2 for side in x.shape[1:3]))
    return {
        "mse": float(np.square(reconstructed - x, dtype="float64").mean()),
        "ssim": float(tf.reduce_mean(tf.image.ssim(x, reconstructed, max_val=1.0, filter_size=window))),
        "psnr": float(tf.reduce_mean(tf.image.psnr(x, reconstructed, max_val=1.0))),
    }


def generation_scores(generated, judge, task, x, y):
    """Return scores of stimuli generated for the classes `y`, and indices of their nearest training samples."""
    classes, features = judge(generated)
    _, real_features = judge(x)
    precision, recall = metrics.precision_recall(real_features, features)
    x_train, _ = task.training
    nearest = NearestNeighbors(n_neighbors=1).fit(x_train.reshape(len(x_train), -1))
    distances, indices = nearest.kneighbors(generated.reshape(len(generated), -1))
    test_distances, _ = nearest.kneighbors(x.reshape(len(x), -1))
    scores = {
        "frechet_distance": metrics.frechet_distance(real_features, features),
        "precision": precision,
        "recall": recall,
        "recognised_generated": float((classes == y).mean()),
        "relative_pairwise_distance": metrics.mean_pairwise_distance(generated)
        / metrics.mean_pairwise_distance(x),
        "relative_distance_to_training": float(distances.mean() / test_distances.mean()),
    }
    return scores, indices[:, 0]


def evaluate(model, judge, task, x, y):
    """Return the scores of one model, by name, and strips of stimuli to draw, by title."""
    reconstructed = np.clip(model.reconstruct(x, batch_size=BATCH), 0, 1)
    generated = np.clip(model.generate(len(x), y, FLAGS.seed, FLAGS.temperature, batch_size=BATCH), 0, 1)
    generation, nearest = generation_scores(generated, judge, task, x, y)
    scores = reconstruction_scores(reconstructed, x)
    scores |= {"recognised_reconstructed": judge.recognised(reconstructed, y), **generation}
    strips = {"stimuli": x[:SHOWN], "reconstructed": reconstructed[:SHOWN]}
    for name, (mask, stimuli) in make_cues(x).items():
        completed = complete(model, mask, stimuli)
        cues = stimuli if mask is None else np.where(mask, stimuli, 0)
        scores[f"recognised_from_{name}_as_given"] = judge.recognised(cues, y)
        scores[f"recognised_from_{name}_completed"] = judge.recognised(completed, y)
        strips |= {CUES[name]: cues[:SHOWN], f"{CUES[name]}, completed": completed[:SHOWN]}
    nearest = task.training[0][nearest[:SHOWN]]
    return scores, strips | {"generated": generated[:SHOWN], "nearest training samples": nearest}


def draw(model, strips, x) -> Figure:
    """Draw strips of stimuli, generated stimuli in a column for each concept, and interpolations."""
    figure = Figure(figsize=(14, 9), layout="constrained")
    left, right = figure.subfigures(1, 2)
    for axis, (title, images) in zip(left.subplots(len(strips)), strips.items(), strict=True):
        plots.stimuli(images, columns=SHOWN, axis=axis)
        axis.set_title(title, fontsize="small")
    above, below = right.subplots(2)
    concepts = np.arange(SHOWN) % model.concepts
    plots.stimuli(model.generate(6 * SHOWN, np.tile(concepts, 6), FLAGS.seed, FLAGS.temperature), axis=above)
    above.set_title("generated, a concept in each column")
    interpolated = model.interpolate(x[:5], x[5:10], steps=SHOWN)
    plots.stimuli(interpolated.reshape(-1, *x.shape[1:]), axis=below)
    below.set_title("interpolated")
    return figure


def main(_):
    folder = _run.expand(FLAGS.output_dir)
    task = Generation(FLAGS.dataset, FLAGS.data_dir)
    x, y = (values[: FLAGS.samples] for values in task.test)
    judge, models, results = Judge(FLAGS.classifier), _flags.load_models(), {}
    for name, model in models.items():
        results[name], strips = evaluate(model, judge, task, x, y)
        path = folder / f"{name.replace('/', '-')}.png"
        _run.save_figure(draw(model, strips, x), path)
        print(path)
    rows = [[title, *(scores[name] for scores in results.values())] for name, title in TITLES.items()]
    table = tabulate(rows, ["", *models], tablefmt="pipe", floatfmt=".4g")
    note = f"Fréchet distance, precision and recall: in features of {judge.features}."
    _run.save_text(f"# Evaluation\n\n{table}\n\n{note}\n", folder / "evaluation.md")
    record = {
        "models": results,
        "features": judge.features,
        **_run.circumstances(["scikit-learn", "scipy"]),
    }
    _run.write_json(folder / "evaluation.json", record)
    print(f"{table}\n\n{note}")


if __name__ == "__main__":
    app.run(main)
