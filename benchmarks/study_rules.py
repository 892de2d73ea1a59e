"""Accuracy of one change at a time: which of the library's departures from the paper matter.

    .venv/bin/python -m benchmarks.study_rules --dataset=mnist --data_dir=DIR --output_dir=runs/study
    .venv/bin/python -m benchmarks.study_rules --dataset=cifar10 --filters=32,64,128,256,256 \\
        --pool_sizes=2,2,2,1,1 --samples=10000 --epochs=6 --held_out=5000 --only=default,backprop

Trains a network for each variant and seed. Writes study.json (all accuracies, those on the training images by
epoch) and study.md (a page with the table). `--probes` adds how well a linear classifier of each stage's firing
rates does once the stages are trained.
"""

import itertools
import math
import pathlib

from benchmarks import _results  # isort: skip, before Keras

import keras
import numpy as np
from absl import app, flags
from keras import ops
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

import keras_bsd
from keras_bsd.losses import InfoNCE, ReCo
from keras_bsd.losses._reco import GRID, pool_maps

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", "digits", "digits, or the name of a tensorflow_datasets image set.")
flags.DEFINE_string("data_dir", None, "Folder of tensorflow_datasets.")
flags.DEFINE_integer("samples", 20_000, "Training samples, the first of the set.", lower_bound=1)
flags.DEFINE_integer(
    "held_out", 0, "Test on this many training samples, the last of the set, instead of its test split."
)
flags.DEFINE_integer("units", 512, "Neurons per stage of a dense network.", lower_bound=1)
flags.DEFINE_list("filters", None, "Channels of each stage; makes the network convolutional.")
flags.DEFINE_list("pool_sizes", None, "Pool size of each convolutional stage.")
flags.DEFINE_string("dtype", "float32", "Keras dtype policy, such as mixed_bfloat16.")
flags.DEFINE_integer("epochs", 4, "Epochs.", lower_bound=1)
flags.DEFINE_integer("seeds", 1, "Seeds of each variant.", lower_bound=1)
flags.DEFINE_list("only", None, "Names of the variants to run (default: all).")
flags.DEFINE_bool("jit_compile", None, "Compile by XLA (default: Keras decides).")
flags.DEFINE_bool("probes", False, "Train a linear classifier of the firing rates of each stage, too.")
flags.DEFINE_string("output_dir", "runs/study", "Folder of the results.")
flags.DEFINE_string("output", None, "Path of the .md page (default: study.md in --output_dir).")

PAPER = keras_bsd.paper_configuration()


def variants():
    """Return settings by variant: arguments of `train`, and of `BSDModel`."""
    backprop = {"backprop": True, "learning_rate": 3e-3}
    table = {"default": {}, "backprop": backprop}
    for first, settings in (("BSD", {}), ("backprop", backprop)):
        table[f"two stages by {first} then the rest by BSD"] = {"first": settings}
        table[f"two stages by {first} then the rest by backprop"] = {"first": settings} | backprop
    table |= {f"learning rate {rate}": {"learning_rate": rate} for rate in (1e-3, 3e-3, 12e-3)}
    for kind in (ReCo, InfoNCE):
        table[kind.__name__] = {"layer_loss": kind()}
    table |= {f"InfoNCE scale {s}": {"layer_loss": InfoNCE(scale=s)} for s in (0.25, 0.5, 2.0, 4.0, 16.0)}
    table |= {f"InfoNCE grid {g}": {"layer_loss": InfoNCE(grid=g)} for g in (1, 2, 8, None)}
    table |= {f"margin {m}": {"layer_loss": ReCo(margin=m)} for m in (0.3, 0.7, 1.0)}
    table |= {f"lambda {w}": {"layer_loss": ReCo(negative_weight=w)} for w in (0.3, 0.6, 2.0)}
    table["centring sample"] = {"layer_loss": ReCo(centring="sample")}
    table["centring None"] = {"layer_loss": ReCo(centring=None), "teacher_signal": "rate"}
    table |= {f"grid {g}": {"layer_loss": ReCo(grid=g)} for g in (1, 2, 8, None)}
    table |= {f"local readouts {w}": {"local_readout_weight": w} for w in (0.1, 0.3, 1.0)}
    table["hidden local readouts"] = {"local_readout_weight": 1.0, "local_readout_depth": 2}
    for signal, decoder in itertools.product(("rate", "current"), ("chain", "chain x5", "guided", "guided x5")):
        arguments = {"broadcast_concept": "guided" in decoder, "gain": 5.0 if "x5" in decoder else 1.0}
        table[f"{signal} of a decoder {decoder}"] = {"teacher_signal": signal, "decoder": arguments}
    spiking = {"skips": "dense"}
    rectified = spiking | {"relu": True, "timesteps": 1}
    for change, settings in (("", spiking), (", ReLU", rectified)):
        table[f"dense skips{change}"] = settings
        table[f"dense skips{change}, backprop"] = settings | backprop
    table["dense skips, surrogate rule"] = spiking | {"rule": "surrogate"}
    table["surrogate rule"] = {"rule": "surrogate"}
    table["no codebook, dissimilar negatives"] = {"codebook": False}
    table["no codebook, all negatives"] = {"codebook": False, "negatives": "all"}
    for batch_size in (8, 32):
        table[f"batch {batch_size}"] = {"batch_size": batch_size, "learning_rate": 3e-3}
        table[f"batch {batch_size}, no codebook"] = table[f"batch {batch_size}"] | {"codebook": False}
    for depth in (2, 10):
        table[f"depth {depth}"] = {"depth": depth}
        table[f"depth {depth}, backprop"] = {"depth": depth} | backprop
    table["paper"] = PAPER
    table["paper, learning rate 0.003"] = PAPER | {"learning_rate": 3e-3}
    table["paper, codebook"] = PAPER | {"codebook": True}
    table["paper, margin 0.5"] = PAPER | {"layer_loss": ReCo(0.5, 0.6, None, None)}
    table["paper, centred"] = PAPER | {"layer_loss": ReCo(1.0, 0.6, "batch", None)}
    table["paper, centred, margin 0.5"] = PAPER | {"layer_loss": ReCo(0.5, 0.6, "batch", None)}
    return table


def selected_variants():
    """Return the variants that `--only` names, or all."""
    table = variants()
    unknown = [name for name in FLAGS.only or () if name not in table]
    if unknown:
        known = "\n  ".join(table)
        raise app.UsageError(f"--only must name variants:\n  {known}\nReceived: {', '.join(unknown)}")
    return {name: table[name] for name in FLAGS.only or table}


def train(
    x,
    y,
    seed,
    depth=5,
    batch_size=128,
    learning_rate=6e-3,
    backprop=False,
    relu=False,
    first=None,
    **arguments,
):
    """Return a trained pair, and its accuracy on the training images in each epoch.

    Args:
        x, y: training images and their classes.
        seed: int.
        depth: stages of a dense network.
        batch_size, learning_rate: of the training.
        backprop: whether the encoder alone is trained, by backpropagation through time.
        relu: whether the outputs of all stages are their rectified currents, without spikes or membranes.
        first: settings by which another pair is trained first; its first two stages replace this pair's and are
            frozen.
        **arguments: of the builder and `BSDModel`.
    """
    trained_first = None if first is None else train(x, y, seed, depth, batch_size, **first)[0]
    keras.utils.set_random_seed(seed)
    model = build(x, y, depth, arguments)
    if relu:
        for stage in (*model.encoder_stages, *model.decoder_stages):
            stage.neuron.call = rectify
    if trained_first is not None:
        for stage, source in zip(model.encoder_stages[:2], trained_first.encoder_stages[:2], strict=True):
            stage.set_weights(source.get_weights())
            stage.trainable = False
    network = model.encoder if backprop else model
    batches = len(x) // batch_size  # full ones: the last batch of another size would be compiled again
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, FLAGS.epochs * batches)
    network.compile(
        keras.optimizers.AdamW(schedule),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile="auto" if FLAGS.jit_compile is None else FLAGS.jit_compile,
    )
    count = batches * batch_size
    history = network.fit(x[:count], y[:count], batch_size=batch_size, epochs=FLAGS.epochs, verbose=0)
    return model, history.history["accuracy"]


def build(x, y, depth, arguments):
    """Return a pair for the images: convolutional with `--filters`, otherwise dense."""
    if FLAGS.filters:
        shape = {name: tuple(map(int, FLAGS[name].value)) for name in ("filters", "pool_sizes")}
        builder = keras_bsd.applications.SpikingConvNet
    else:
        shape, builder = {"units": (FLAGS.units,) * depth}, keras_bsd.applications.SpikingMLP
    return builder(x.shape[1:], int(y.max()) + 1, **shape, **arguments)


def rectify(currents, linearize=False, **_):
    """Return what `SpikingLIF` returns, of neurons whose output is their rectified current."""
    outputs = ops.relu(currents)
    if not linearize:
        return outputs
    slopes = ops.sum(ops.cast(currents > 0, "float32"), axis=1)
    return ops.stop_gradient(outputs), slopes  # the slopes stand where a sum of tangents does


def accuracy(model, x, y):
    return float((model.predict(x, batch_size=500, verbose=0).argmax(axis=1) == y).mean())


def probe(model, x, y, test):
    """Return the test accuracy of a linear classifier of each stage's firing rates, maps of them in 4x4 cells.

    The stages are frozen; each classifier is a logistic regression on `x` and `y`.
    """
    rates = [pool_maps(ops.mean(stage.output, axis=1), GRID) for stage in model.encoder_stages]
    features = keras.Model(model.encoder.inputs, [ops.reshape(r, (-1, math.prod(r.shape[1:]))) for r in rates])
    of_training, of_test = (features.predict(images, batch_size=500, verbose=0) for images in (x, test[0]))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    pairs = zip(of_training, of_test, strict=True)
    return [classifier.fit(trained, y).score(tested, test[1]) for trained, tested in pairs]


def row(name, record):
    """Return a row of the table."""
    fitted = np.mean([curve[-1] for curve in record["curves"][name]])
    accuracies = record["accuracy"][name]
    cells = [f"{100 * value:.2f}" for value in (fitted, np.mean(accuracies), np.std(accuracies))]
    if FLAGS.probes:
        cells.append(", ".join(f"{100 * value:.1f}" for value in np.mean(record["probes"][name], axis=0)))
    return [name, *cells]


def main(_):
    selected = selected_variants()
    (x, y), test = keras_bsd.datasets.load_images(FLAGS.dataset, FLAGS.data_dir)
    if FLAGS.held_out:
        test = x[-FLAGS.held_out :], y[-FLAGS.held_out :]
        x, y = x[: -FLAGS.held_out], y[: -FLAGS.held_out]
    x, y = x[: FLAGS.samples], y[: FLAGS.samples]
    keras.config.set_dtype_policy(FLAGS.dtype)
    record = {"curves": {}, "accuracy": {}, "probes": {}}
    for name, settings in tqdm(selected.items()):
        runs = [train(x, y, seed, **settings) for seed in range(FLAGS.seeds)]
        record["curves"][name] = [curve for _, curve in runs]
        record["accuracy"][name] = [accuracy(model, *test) for model, _ in runs]
        if FLAGS.probes:
            record["probes"][name] = [probe(model, x, y, test) for model, _ in runs]
        tqdm.write(" | ".join(row(name, record)))
    columns = ["variant", "of training images, %", "accuracy, %", "standard deviation"]
    columns += ["probes of the stages, %"] * FLAGS.probes
    table = _results.table(columns, [row(name, record) for name in selected])
    folder = pathlib.Path(FLAGS.output_dir)
    _results.write_record(folder / "study.json", record)
    _results.write_page(FLAGS.output or folder / "study.md", "One change at a time", table)


if __name__ == "__main__":
    app.run(main)
