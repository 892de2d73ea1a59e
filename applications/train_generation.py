"""Train a spiking autoencoder by BSD, and the same network by other methods to compare.

    python applications/train_generation.py
    python applications/train_generation.py --dataset=mnist --epochs=20 --hide=0.5

Writes a trained model for each method, with a prior to generate from, a picture and all results to
`--output_dir`. The same command resumes training that was interrupted.
"""

import functools
import pathlib

import _flags
import _run
import keras
from _flags import Method
from absl import app, flags
from tasks import generation
from tasks.generation import Generation

import keras_bsd

METHODS = {
    "rate": Method("BSD", 6e-3),
    "readouts": Method("BSD with local readouts", 6e-3),
    "surrogate": Method("BSD, surrogate rule", 6e-3),
    "backprop": Method("backpropagation through time", 3e-3),
    "frozen": Method("frozen hidden stages", 6e-3),
}
BSD = ("rate", "readouts", "surrogate")
LOSSES = {
    "similarity": keras_bsd.losses.SimilarityMatching,
    "frequency": keras_bsd.losses.FrequencyReCo,
    "reco": functools.partial(keras_bsd.losses.ReCo, grid=None),
}

FLAGS = flags.FLAGS
_flags.define_image_flags()
_flags.define_training_flags(
    METHODS,
    default=["rate", "readouts", "backprop"],
    epochs=30,
    batch_size=128,
    smallest_batch=2,
    output_dir="runs/DATASET-generation",
)
_flags.define_weights(fresh="frozen")
_flags.define_local_readouts(30.0, "30")
flags.DEFINE_integer("latent_units", 64, "Latent neurons.", lower_bound=1)
flags.DEFINE_list("filters", None, "Channels of the convolutional stages (default: 32,64; digits: none).")
flags.DEFINE_list("units", None, "Neurons of fully connected stages instead (default: none; digits: 256).")
flags.DEFINE_integer("timesteps", 8, "Time steps.", lower_bound=1)
flags.DEFINE_integer("components", 1, "Gaussians in the prior of each class.", lower_bound=1)
flags.DEFINE_enum("layer_loss", "similarity", list(LOSSES), "BSD: loss between a stage and its teacher.")
flags.DEFINE_float("sharpening", 0, "Sharpening of the layer loss `similarity`.", lower_bound=0)
flags.DEFINE_float(
    "rate_matching_weight",
    100,
    "BSD: weight of the loss that matches the rates of a stage to those of its teacher nearer to the data.",
    lower_bound=0,
)
flags.DEFINE_float(
    "hide",
    0,
    "Probability of hiding up to half of a stimulus from the feedforward network, to train completion.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "noise",
    0,
    "Maximum standard deviation of Gaussian noise in the feedforward network's training stimuli, to train "
    "denoising.",
    lower_bound=0,
)


def network_arguments(task) -> dict:
    """Return the arguments of `SpikingAutoencoder`, but its weights."""
    filters, units = _flags.sizes(FLAGS.filters), _flags.sizes(FLAGS.units)
    if not filters and not units:
        filters, units = ((), (256,)) if FLAGS.dataset == "digits" else ((32, 64), ())
    return {
        "input_shape": task.training[0].shape[1:],
        "latent_units": FLAGS.latent_units,
        "timesteps": FLAGS.timesteps,
        "filters": filters,
        "units": units,
        "concepts": task.classes,
        "components": FLAGS.components,
    }


def build(method, task):
    """Return the pair for a method, with the same initial weights at each call."""
    keras.utils.set_random_seed(FLAGS.seed)
    options = {"sharpening": FLAGS.sharpening} if FLAGS.layer_loss == "similarity" else {}
    return keras_bsd.applications.SpikingAutoencoder(
        **network_arguments(task),
        rule="surrogate" if method == "surrogate" else "rate",
        layer_loss=LOSSES[FLAGS.layer_loss](**options),
        rate_matching_weight=FLAGS.rate_matching_weight,
        **_flags.local_readouts(method),
        weights=FLAGS.weights,
    )


def augmentation() -> list:
    """Return the layers of the flags."""
    return generation.augmentation(FLAGS.noise, FLAGS.hide)


def fit(model, method, x, run) -> dict:
    """Train a pair, resumed from an interrupted run, and return the history."""
    learner = model if method in BSD else model.encoder
    if method == "frozen":
        for stimuli, _ in keras_bsd.datasets.Batches(x, x, FLAGS.batch_size):
            model.encoder(stimuli, training=True)  # updates the statistics that normalise currents
        for stage in model.encoder_stages:
            stage.trainable = False
    batches = keras_bsd.datasets.Batches(x, x, FLAGS.batch_size, augmentation(), FLAGS.seed)
    _flags.compile_model(learner, METHODS[method], len(batches), loss="mse")
    history = run.fit(method, learner, batches, FLAGS.epochs)
    if learner is not model:  # the one trained network serves as the backward network, too
        model.decoder.set_weights(model.encoder.get_weights())
    return history


def train(method, task, run) -> dict:
    """Train by one method, save the model, and return its results."""
    x, y = task.training
    print(f"{METHODS[method].title}, {len(x)} samples of {FLAGS.dataset}:")
    model = build(method, task)
    history = fit(model, method, x, run)
    model.fit_prior(x, y, batch_size=generation.BATCH)
    run.save(method, model, task.test[0])
    return {
        "scores": task.scores(model),
        "seconds": sum(history["seconds"]),
        "parameters": model.encoder.count_params(),
        "history": history,
    }


def main(_):
    keras.config.set_dtype_policy(FLAGS.dtype)
    folder = _run.expand(FLAGS.output_dir or f"runs/{pathlib.Path(FLAGS.dataset).stem}-generation")
    task = Generation(FLAGS.dataset, FLAGS.data_dir, FLAGS.samples)
    _flags.check_weights(folder)
    build(FLAGS.method[0], task)  # raises before the files of an earlier run are removed
    with _run.Run(folder, METHODS) as run:
        results = {
            method: run.result(method, functools.partial(train, method, task, run)) for method in FLAGS.method
        }
        arguments = network_arguments(task)
        record = _run.record(
            task.name, FLAGS.dataset, "SpikingAutoencoder", arguments, results, **_flags.origin()
        )
        _run.write_json(folder / "metrics.json", record)
        models = {
            METHODS[method].title: keras.saving.load_model(folder / f"{method}.keras") for method in results
        }
        _run.save_figure(task.draw(models, FLAGS.seed), folder / "report.png")
    for method, result in results.items():
        scores = task.format_scores(result["scores"])
        print(f"{METHODS[method].title}: {scores}, {result['seconds']:.0f} s of training")
    for name in ("report.png", "metrics.json", *(f"{method}.keras" for method in results)):
        print(folder / name)


if __name__ == "__main__":
    app.run(main)
