"""Train a spiking autoencoder by BSD, and the same network by other rules to compare.

    python applications/train_generation.py
    python applications/train_generation.py --dataset=mnist --epochs=20 --hide=0.5

Writes to `--output_dir` for each rule a model that reconstructs, completes and, from the prior of each class
that is fitted at the end, generates; a picture; and all figures. The same command goes on with training
that was interrupted.
"""

import functools
import pathlib

import keras
import numpy as np
from absl import app, flags
from matplotlib.figure import Figure
from training import (
    check_local_readouts,
    check_weights,
    compile_model,
    define_flags,
    define_image_flags,
    define_weights,
    origin,
)

import keras_bsd
from keras_bsd import plots, runs
from keras_bsd._files import atomic_write, write_json
from keras_bsd.datasets import Batches, RandomNoise

RULES = {  # what a rule is called, and AdamW's best learning rate with it
    "rate": ("BSD", 6e-3),
    "readouts": ("BSD with local readouts", 6e-3),
    "surrogate": ("BSD, surrogate rule", 6e-3),
    "backprop": ("backpropagation through time", 3e-3),
    "random": ("random hidden layers", 6e-3),
}
BSD = ("rate", "readouts", "surrogate")
LOSSES = {
    "similarity": keras_bsd.losses.SimilarityMatching,
    "frequency": keras_bsd.losses.FrequencyReCo,
    "reco": functools.partial(keras_bsd.losses.ReCo, grid=None),
}
SHOWN = 10

FLAGS = flags.FLAGS
define_image_flags()
define_flags(
    RULES,
    chosen=["rate", "readouts", "backprop"],
    epochs=30,
    batch_size=128,
    smallest_batch=2,
    output_dir="runs/DATASET-generation",
)
define_weights(fresh="random")
flags.DEFINE_integer("latent_units", 64, "Latent neurons.", lower_bound=1)
flags.DEFINE_list("filters", None, "Channels of the convolutional stages (default: 32,64; digits: none).")
flags.DEFINE_list("units", None, "Neurons of fully connected stages instead (digits: 256).")
flags.DEFINE_integer("timesteps", 8, "Time steps.", lower_bound=1)
flags.DEFINE_integer("components", 1, "Gaussians in the prior of each class.", lower_bound=1)
flags.DEFINE_enum("layer_loss", "similarity", list(LOSSES), "Of BSD: what paired stages learn.")
flags.DEFINE_float("sharpening", 0, "Of the layer loss `similarity`.", lower_bound=0)
flags.DEFINE_float(
    "following", 100, "Of BSD: how much the stage farther from its data follows the nearer one.", lower_bound=0
)
flags.DEFINE_float("local_readout_weight", 30, "Rule readouts: weight of what each stage learns from its own.")
check_local_readouts()
flags.DEFINE_float(
    "hide",
    0,
    "Probability with which a part of a training stimulus, up to half of it, is hidden from the "
    "feedforward network: for models that are to complete.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "noise",
    0,
    "Highest standard deviation of Gaussian noise in what the feedforward network sees of a training "
    "stimulus: for models that are to take noise away.",
    lower_bound=0,
)


def arguments(data):
    """What `SpikingAutoencoder` is given for data such as these."""
    (x, y), (_, y_test) = data
    filters, units = (tuple(map(int, sizes or ())) for sizes in (FLAGS.filters, FLAGS.units))
    if not filters and not units:
        filters, units = ((), (256,)) if FLAGS.dataset == "digits" else ((32, 64), ())
    return {
        "input_shape": x.shape[1:],
        "latent_units": FLAGS.latent_units,
        "timesteps": FLAGS.timesteps,
        "filters": filters,
        "units": units,
        "concepts": int(max(y.max(), y_test.max())) + 1,
        "components": FLAGS.components,
    }


def build(rule, data):
    """The pair for a rule; the same first weights at every call."""
    keras.utils.set_random_seed(FLAGS.seed)
    own = {"sharpening": FLAGS.sharpening} if FLAGS.layer_loss == "similarity" else {}
    return keras_bsd.applications.SpikingAutoencoder(
        **arguments(data),
        rule="surrogate" if rule == "surrogate" else "rate",
        layer_loss=LOSSES[FLAGS.layer_loss](**own),
        following=FLAGS.following,
        local_readout_weight=FLAGS.local_readout_weight if rule == "readouts" else 0.0,
        weights=FLAGS.weights,
    )


def augmentation():
    """What the feedforward network sees in place of a stimulus, as the flags say."""
    layers = []
    if FLAGS.noise:
        layers.append(RandomNoise(FLAGS.noise))
    if FLAGS.hide:
        probability = (FLAGS.hide, FLAGS.hide)
        layers.append(keras.layers.RandomErasing(probability, scale=(0.1, 0.5), fill_value=0.0))
    return layers


def trained(rule, data, run):
    """The model that a rule trains, and the history of its training."""
    model = build(rule, data)
    learner = model if rule in BSD else model.encoder
    x = data[0][0][: FLAGS.samples]
    if rule == "random":
        for batch in Batches(x, x, FLAGS.batch_size):  # so that currents are normalised
            model.encoder(batch[0], training=True)
        for stage in model.encoder_stages:
            stage.trainable = False
    batches = Batches(x, x, FLAGS.batch_size, augmentation(), FLAGS.seed)
    compile_model(learner, RULES[rule][1], batches, loss="mse")
    history = run.fit(rule, learner, batches, FLAGS.epochs)
    if learner is not model:  # one network has learned: it stands in for the backward one too
        model.decoder.set_weights(model.encoder.get_weights())
    return model, history


def result(rule, data, run):
    """Train by one rule, save the model, and give what is to be told of it."""
    (x, y), (x_test, _) = data
    print(f"{RULES[rule][0]}, {len(x[: FLAGS.samples])} samples of {FLAGS.dataset}:")
    model, history = trained(rule, data, run)
    model.fit_prior(x[: FLAGS.samples], y[: FLAGS.samples], batch_size=500)
    run.save(rule, model, x_test)
    made = model.reconstruct(x_test, batch_size=500)
    return {
        "test_mse": float(np.square(made - x_test, dtype="float64").mean()),
        "seconds": sum(history["seconds"]),
        "parameters": model.encoder.count_params(),
        "history": history,
    }


def draw_report(found, x, folder):
    """Of every rule: stimuli over reconstructions, completions from the upper half, what it generates."""
    figure = Figure(figsize=(5 * len(found), 6), layout="constrained")
    axes = figure.subplots(4, len(found), squeeze=False, height_ratios=(2, 2, 1, 3))
    upper_half = np.arange(x.shape[1])[:, None, None] < x.shape[1] // 2
    for column, rule in zip(axes.T, found, strict=True):
        model = keras.saving.load_model(folder / f"{rule}.keras")
        concepts = np.arange(SHOWN) % model.concepts
        rows = {
            f"{RULES[rule][0]}: reconstructed": [*x, *model.reconstruct(x)],
            "completed from the upper half": [*np.where(upper_half, x, 0), *model.complete(x, upper_half)],
            "recalled": model.recall(concepts),
            "generated": model.generate(3 * SHOWN, np.tile(concepts, 3), seed=FLAGS.seed),
        }
        for axis, (title, images) in zip(column, rows.items(), strict=True):
            plots.stimuli(np.asarray(images), columns=SHOWN, axis=axis)
            axis.set_title(title)
    with atomic_write(folder / "report.png") as written:
        figure.savefig(written, dpi=120)


def main(_):
    keras.config.set_dtype_policy(FLAGS.dtype)
    folder = pathlib.Path(FLAGS.output_dir or f"runs/{pathlib.Path(FLAGS.dataset).stem}-generation")
    data = keras_bsd.datasets.load_images(FLAGS.dataset, FLAGS.data_dir)
    check_weights(folder)
    build(FLAGS.rule[0], data)  # or an error, before what an earlier run left is removed
    with runs.Run(folder, RULES) as run:
        found = {rule: run.result(rule, functools.partial(result, rule, data, run)) for rule in FLAGS.rule}
        measured = ("test_mse", "seconds", "parameters")
        metrics = {
            **origin(),
            **{kind: {rule: kept[kind] for rule, kept in found.items()} for kind in measured},
            "task": "generation",
            "data": FLAGS.dataset,
            "application": "SpikingAutoencoder",
            "arguments": arguments(data),
            "command": runs.command(),
            "flags": runs.settings(),
            **keras_bsd.environment(),
        }
        write_json(folder / "metrics.json", metrics)
        draw_report(found, data[1][0][:SHOWN], folder)
    for rule, kept in found.items():
        print(
            f"{RULES[rule][0]}: mean squared error {kept['test_mse']:.4f} of {len(data[1][0])} test samples, "
            f"{kept['seconds']:.0f} s of training"
        )
    for name in ("report.png", "metrics.json", *(f"{rule}.keras" for rule in found)):
        print(folder / name)


if __name__ == "__main__":
    app.run(main)
