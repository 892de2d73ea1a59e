"""Measure learning from a stream: classes that come one after the other, few samples, and stimuli that change.

    .venv/bin/python -m benchmarks.measure_online --dataset=digits --epochs=2 --output=runs/online.md

Prints a Markdown table for each part. `--output` adds them to the record beside the page, where a table
replaces that of an earlier run of the same part and data, and writes the page of all tables in the record.
Parts can thus be measured by separate commands.

The learning rate of each method is the one of the grid by which it scores best on held-out samples, with the
first seed. Those are of the training set, behind the ones that it learns from. Then it is tested at that rate.
Ways to rehearse (`variants`) are compared on the held-out samples only.
"""

from benchmarks import _results  # isort: skip, before Keras

import pathlib

import numpy as np
from absl import app, flags

import keras_bsd
from applications import _run
from benchmarks import online_report
from benchmarks.local_learning.trainings import best_rate
from benchmarks.online_streams import DRIFT, FEW, METHODS, Data, Networks, Streams, shifted
from benchmarks.online_variants import VARIANTS

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", "digits", "A data set of load_images, such as digits, mnist or fashion_mnist.")
flags.DEFINE_string("data_dir", None, "Folder of TensorFlow Datasets.")
flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of weights and of the order of samples.")
flags.DEFINE_list(
    "learning_rates", ["1e-4", "3e-4", "1e-3", "3e-3", "6e-3", "1.2e-2"], "Of AdamW, to choose from."
)
flags.DEFINE_float("held_out", 0.2, "Samples to choose learning rates by, relative to those to learn from.")
flags.DEFINE_integer("batch_size", 10, "Samples of the stream in each step.", lower_bound=1)
flags.DEFINE_integer("samples", None, "Samples to learn from (default: all not held out).", lower_bound=1)
flags.DEFINE_integer("test_samples", 2000, "Test samples at most.", lower_bound=1)
flags.DEFINE_integer("epochs", 1, "Passes over the samples of each task.", lower_bound=1)
flags.DEFINE_list("units", ["256", "256"], "Neurons of the stages.")
flags.DEFINE_integer("rehearsed", 32, "Rehearsed samples in each step.", lower_bound=1)
flags.DEFINE_integer(
    "shift", 0, "Pixels by which each image is moved at most, in each direction.", lower_bound=0
)
flags.DEFINE_integer("steps", 50, "Steps on the few samples of a new class.", lower_bound=1)
flags.DEFINE_list("parts", ["tasks", "few", "drift"], "Some of tasks, variants, few, drift.")
flags.DEFINE_list("methods", None, "Methods of a part (default: all).")
flags.DEFINE_string("output", None, "Path of a .md page; a .json record lies beside it.")

# What is compared, and of which rules networks are trained before their stream.
PARTS = {
    "tasks": (METHODS, ()),
    "variants": (VARIANTS, ()),
    "few": (FEW, ("bsd", "backprop")),
    "drift": (DRIFT, ("bsd",)),
}


def score(part, result):
    """Return the accuracy by which learning rates are compared: the last one, or the mean of all."""
    return float(result[0] if part in ("tasks", "variants") else np.mean(result))


def choose(rates, score_of):
    """Return the rate of the greatest score, and all scores by rate; a rate alone is not tried."""
    if len(rates) == 1:
        return rates[0], {}
    scores = {rate: score_of(rate) for rate in rates}
    return best_rate(scores, lower_is_better=False), scores


def measure(part, streams, choosing, testing, seeds, rates, methods=None):
    """Return the methods of a part, each with the scores of its rates, the best, and the results by seed.

    Args:
        part: name of a part.
        streams: `Streams`.
        choosing, testing: `Data`, of which the first holds no test samples.
        seeds: ints; rates are chosen with the first.
        rates: floats.
        methods: names of methods, or None for all.
    """
    known, rules = PARTS[part]
    for rule in rules:
        streams.fit_rates[part, rule], _ = choose(
            rates,
            lambda rate, rule=rule: streams.fit_accuracy(part, rule, choosing, seeds[0], rate),
        )
    run, measured = getattr(streams, part), {}
    for method in [name for name in known if methods is None or name in methods]:
        learns = part != "drift" or DRIFT[method] is not None
        best, scores = choose(
            rates if learns else [0.0],
            lambda rate, method=method: score(part, run(method, choosing, seeds[0], rate)),
        )
        tested = choosing if part == "variants" else testing
        results = [run(method, tested, seed, best) for seed in seeds]
        measured[method] = {"validation": scores, "learning_rate": best, "results": results}
        print(f"{part}, {method}: {100 * score(part, results[0]):.1f} % with seed {seeds[0]}", flush=True)
    return measured


def load():
    """Return data to choose rates by and data to test on, with the same samples to learn from.

    With fewer of them another rate can be best: steps are few in a stream.
    """
    (x, y), (x_test, y_test) = keras_bsd.datasets.load_images(FLAGS.dataset, FLAGS.data_dir)
    train = FLAGS.samples or int(len(x) / (1 + FLAGS.held_out))
    both, tested = slice(train + int(FLAGS.held_out * train)), slice(FLAGS.test_samples)
    if both.stop > len(x):
        raise app.UsageError(
            f"--samples and those held out must be at most {len(x)}, the training samples of {FLAGS.dataset}. "
            f"Received: --samples={train} and {both.stop - train} held out"
        )
    generator = np.random.default_rng(0)
    x, x_test = (shifted(images, FLAGS.shift, generator) for images in (x[both], x_test[tested]))
    y, y_test = y[both], y_test[tested]
    learned, held_out = (x[:train], y[:train]), (x[train:], y[train:])
    return Data(learned, held_out), Data(learned, (x_test, y_test))


def main(_):
    choosing, testing = load()
    networks = Networks(testing.train[0].shape[1:], map(int, FLAGS.units))
    seeds, rates = list(map(int, FLAGS.seeds)), list(map(float, FLAGS.learning_rates))
    streams = Streams(networks, FLAGS.batch_size, FLAGS.epochs, FLAGS.rehearsed, FLAGS.steps)
    shared = {name: FLAGS[name].value for name in ("dataset", "shift", "batch_size", "epochs", "steps")}
    shared |= {"units": networks.units, "seeds": seeds, "rates": rates, "memory": streams.memory}
    shared |= {"rehearsed": FLAGS.rehearsed, "command": _results.command()}
    samples = {"train": testing.train, "held out": choosing.test, "test": testing.test}
    shared["samples"] = {name: len(y) for name, (_, y) in samples.items()}
    for part in FLAGS.parts:
        methods = measure(part, streams, choosing, testing, seeds, rates, FLAGS.methods)
        fit_rates = {rule: streams.fit_rates[part, rule] for rule in PARTS[part][1]}
        entry = {"part": part, **shared, "fit_rates": fit_rates, "methods": methods}
        entry["environment"] = _run.environment()
        print(f"\n{online_report.section(entry)}\n", flush=True)
        if FLAGS.output:
            online_report.write(pathlib.Path(FLAGS.output), entry)


if __name__ == "__main__":
    app.run(main)
