"""What the benchmark of local learning computes in a process of its own, as one line of JSON on stdout.

    .venv/bin/python -m benchmarks.local_learning.measure prepare '{"table": "digits", "data": "data.npz",
        "data_dir": null, "samples": null, "methods": null}'
    .venv/bin/python -m benchmarks.local_learning.measure train '[{"table": "digits", "data": "data.npz",
        "method": "dfa", "seed": 0, "learning_rate": 0.003, "epochs": 2, "batch_size": 128, "samples": null,
        "held_out": false}]'

`prepare` writes the data to a file and lists the methods; `train` trains once for each case in the list.
"""

import gc
import json
import resource
import sys

from applications import _run  # isort: skip, before Keras, to keep imports quiet

import keras
import numpy as np
import psutil

import keras_bsd
from benchmarks.local_learning.tables import HORIZON, PAIRS, TABLES, WINDOW
from benchmarks.measure_case import RSS_UNIT

AUDITED = 32  # samples
HELD_OUT = 0.1  # fraction of the training samples, the last, on which learning rates are chosen


def prepare(case):
    """Write training and test data to `case["data"]`, and return what is known of each method and the samples.

    The methods are a dict from a name to its title, whether each stage learns from a loss of its own, why the
    method cannot train the network, or None, and for those in `case["methods"]`, by default for all that can,
    what an audit measures.
    """
    table = TABLES[case["table"]]
    arrays = _load(table, case["data_dir"])
    samples = slice(case["samples"])
    arrays = {name: values[samples] if "train" in name else values for name, values in arrays.items()}
    np.savez(case["data"], **arrays)
    pair = _pair(table, arrays)
    methods = {name: {"title": title, "local": True, "obstacle": None} for name, title in PAIRS.items()}
    for name in keras_bsd.baselines.list_methods():
        rule = keras_bsd.baselines.get(name)
        obstacle = rule.obstacle(pair.encoder, pair.task)
        local = obstacle is None and len(rule(pair.encoder, task=pair.task).owners()) > 1
        methods[name] = {"title": rule.title, "local": local, "obstacle": obstacle}
    for name, method in methods.items():
        if method["obstacle"] is None and name in (case["methods"] or methods):
            method |= _audit(name, table, arrays)
    counts = {name: len(arrays[f"x_{name}"]) for name in ("train", "test")}
    return {"methods": methods, "samples": counts, "environment": _run.environment()}


def _audit(method, table, arrays):
    """Return the verdicts on the criteria of plausibility, and operations relative to backpropagation's.

    Verdicts do not depend on sizes, and are those of a network with few neurons. Operations are products of
    weights in a training step of the network itself, on test data.
    """
    few = {name: values[:AUDITED] for name, values in arrays.items()} | {"y_test": arrays["y_test"]}
    small = build(method, table._replace(arguments=_with_sizes(table.arguments, 24)), few, seed=0)
    small.compile()
    report = keras_bsd.audit.plausibility(small, few["x_train"], few["y_train"])
    verdicts = {name: criterion.verdict for name, criterion in report.criteria.items()}
    training = keras_bsd.audit.energy(build(method, table, arrays, seed=0), few["x_test"]).training
    rule = training.get("rate" if method in (*PAIRS, "ccl") else method)  # the default of pairs
    operations = None if rule is None else rule.products / training["backprop"].products
    return {"criteria": verdicts, "operations": operations}


def _load(table, data_dir):
    if table.forecasts:
        series = keras_bsd.datasets.load_series(table.dataset, data_dir)
        splits = keras_bsd.datasets.standardized_splits(series, WINDOW, HORIZON)
        train, _, test = [keras_bsd.datasets.windows(split, WINDOW, HORIZON) for split in splits]
    else:
        train, test = keras_bsd.datasets.load_images(table.dataset, data_dir)
    return dict(zip(("x_train", "y_train", "x_test", "y_test"), (*train, *test), strict=True))


def _pair(table, arrays, **arguments):
    """Return the untrained pair; further arguments are those of the builder."""
    shape = arrays["x_train"].shape[1:]
    of_data = {"input_shape": shape, "classes": int(arrays["y_test"].max()) + 1}
    if table.forecasts:
        of_data = {"window": shape[0], "horizon": HORIZON, "variables": shape[1]}
    return getattr(keras_bsd.applications, table.builder)(**of_data, **table.arguments, **arguments)


def build(method, table, arrays, seed):
    """Return the model that a method trains; its encoder has the same initial weights for every method."""
    keras.utils.set_random_seed(seed)
    if method in PAIRS:
        weight = table.local_readout_weight if method == "bsd_readouts" else 0
        return _pair(table, arrays, local_readout_weight=weight)
    pair = _pair(table, arrays)
    rule = keras_bsd.baselines.get(method)
    return rule(pair.encoder, task=pair.task, stimulus_range=pair.stimulus_range)


def train(cases):
    """Return a list with the result of `train_one` for each case; all have the data of the first.

    The process has one peak of memory: that of a later training is None.
    """
    with np.load(cases[0]["data"]) as file:
        arrays = dict(file)
    if not cases[0]["held_out"]:
        _train_briefly(TABLES[cases[0]["table"]], arrays)
    results = []
    for case in cases:
        result = train_one(case, arrays)
        results.append({**result, "memory": None} if results else result)
        keras.backend.clear_session()
    return results


def train_one(case, arrays):
    """Return the score of a trained model, the seconds of each epoch, and the memory of training in bytes.

    With `held_out` the last training samples are those that are scored, and not trained on; a score that is
    not finite is None. The memory is the process's peak beyond what it holds once the model is built.
    """
    table = TABLES[case["table"]]
    (x, y), test = _split(case, arrays)
    batch_size = min(case["batch_size"], len(x))
    steps = len(x) // batch_size  # full batches: another size would be compiled again
    model = build(case["method"], table, arrays, case["seed"])
    schedule = keras.optimizers.schedules.CosineDecay(case["learning_rate"], case["epochs"] * steps)
    model.compile(keras.optimizers.AdamW(schedule), metrics=[] if table.forecasts else ["accuracy"])
    gc.collect()  # a rule needs no decoder
    before = psutil.Process().memory_info().rss
    history = model.fit(
        x[: steps * batch_size],
        y[: steps * batch_size],
        batch_size=batch_size,
        epochs=case["epochs"],
        callbacks=[keras_bsd.callbacks.EpochSeconds()],
        verbose=0,
    ).history
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
    score = _score(model, *test, table)
    return {
        "score": score if np.isfinite(score) else None,
        "seconds": history["seconds"],
        "memory": peak - before,
        "parameters": model.encoder.count_params(),
    }


def _split(case, arrays):
    x, y = arrays["x_train"][: case["samples"]], arrays["y_train"][: case["samples"]]
    if not case["held_out"]:
        return (x, y), (arrays["x_test"], arrays["y_test"])
    count = len(x) - int(HELD_OUT * len(x))
    return (x[:count], y[:count]), (x[count:], y[count:])


def _score(model, x, y, table):
    outputs = model.predict(x, batch_size=500, verbose=0)
    return float(np.mean((outputs - y) ** 2) if table.forecasts else (outputs.argmax(axis=1) == y).mean())


def _train_briefly(table, arrays):
    """Train a small network: what Keras loads at first use must not count as the network's memory."""
    few = {name: values[:2] for name, values in arrays.items()}
    pair = _pair(table._replace(arguments=_with_sizes(table.arguments, 1)), few | {"y_test": arrays["y_test"]})
    pair.compile()
    pair.fit(few["x_train"], few["y_train"], batch_size=2, verbose=0)


def _with_sizes(arguments, size):
    """Return the arguments with stages of one size; their number, which shapes depend on, stays."""
    return {
        name: (size,) * len(value) if name in ("units", "filters") else value
        for name, value in arguments.items()
    }


if __name__ == "__main__":
    print(json.dumps({"prepare": prepare, "train": train}[sys.argv[1]](json.loads(sys.argv[2]))))
