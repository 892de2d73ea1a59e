"""Compare BSD with all rules of `keras_bsd.baselines` on one network, each at its own best learning rate.

    .venv/bin/python -m benchmarks.local_learning --table=digits --epochs=20
    KERAS_BACKEND=jax .venv/bin/python -m benchmarks.local_learning --table=mnist_small --data_dir=DIR --seeds=3

For every method, networks are trained at each learning rate of the grid, without the last tenth of the training
samples, on which they are scored. At the best rate, networks are then trained on all of them and tested. Both
are processes of their own. The result of each training is a JSON file in `--output_dir`/TABLE, and the same
command resumes an interrupted run: it trains what has no result with these settings.

The table replaces that of an earlier run in `--output`, a page, and in the JSON record beside it; other tables
remain.
"""

import os
import pathlib

from absl import app, flags

from benchmarks.local_learning import trainings
from benchmarks.local_learning.tables import TABLES

# Keras is not imported in this process until all is measured: a child's peak memory would include it.

FLAGS = flags.FLAGS
flags.DEFINE_enum("table", "digits", list(TABLES), "Network and data.")
flags.DEFINE_string("data_dir", None, "Folder of TensorFlow Datasets, or of series.")
flags.DEFINE_list("methods", None, "Some of the methods: bsd and keras_bsd.baselines.list_methods() (default).")
flags.DEFINE_integer("samples", None, "Training samples, the first of the set (default: all).", lower_bound=20)
flags.DEFINE_integer("epochs", 5, "Epochs.", lower_bound=1)
flags.DEFINE_integer("seeds", 3, "Networks that are trained at the chosen rate.", lower_bound=1)
flags.DEFINE_integer("batch_size", 128, "Samples per batch.", lower_bound=1)
flags.DEFINE_list(
    "learning_rates",
    ["0.001", "0.003", "0.006", "0.012", "0.024", "0.048"],
    "AdamW's rates to choose from.",
)
flags.DEFINE_integer(
    "selection_samples",
    None,
    "Samples, the first of the set, on which learning rates are chosen (default: --samples).",
    lower_bound=20,
)
flags.DEFINE_integer("selection_epochs", None, "Epochs of that (default: --epochs).", lower_bound=1)
flags.DEFINE_float("max_minutes", None, "Time after which no further training is started.", lower_bound=0)
flags.DEFINE_string("output_dir", "runs/local_learning", "Folder of the results of single trainings.")
flags.DEFINE_string(
    "output",
    None,
    "Path of the .md page, with the record beside it (default: in --output_dir).",
)


def selected(methods):
    """Return the methods of the flag, or all."""
    unknown = [name for name in FLAGS.methods or () if name not in methods]
    if unknown:
        raise app.UsageError(f"--methods must be some of {', '.join(methods)}. Received: {', '.join(unknown)}")
    return {name: methods[name] for name in FLAGS.methods or methods}


def measure_all(folder, known):
    """Return what is known and measured of each method, and the last line of each failure.

    Args:
        folder: folder of the results of single trainings.
        known: what `measure.prepare` returns.
    """
    shared = {"table": FLAGS.table, "batch_size": FLAGS.batch_size, "backend": trainings.BACKEND}
    shared["training_samples"] = known["samples"]["train"]
    own = trainings.Trainings(folder, shared, FLAGS.max_minutes)
    settings = {
        "rates": [float(rate) for rate in FLAGS.learning_rates],
        "selection": {
            "epochs": FLAGS.selection_epochs or FLAGS.epochs,
            "samples": FLAGS.selection_samples,
        },
        "test": {"epochs": FLAGS.epochs, "samples": None},
        "seeds": FLAGS.seeds,
        "lower_is_better": TABLES[FLAGS.table].forecasts,
    }
    methods = {
        name: {**method, **({} if method["obstacle"] else trainings.measure(name, own, **settings))}
        for name, method in selected(known["methods"]).items()
    }
    for name, failure in own.failures.items():
        methods[name]["failure"] = failure
    return methods, own.failures


def main(_):
    folder = pathlib.Path(FLAGS.output_dir).expanduser() / FLAGS.table
    folder.mkdir(parents=True, exist_ok=True)
    data = {"data": os.path.abspath(folder / "data.npz"), "data_dir": FLAGS.data_dir, "samples": FLAGS.samples}
    case = {"table": FLAGS.table, "methods": FLAGS.methods, **data}
    known = trainings.in_own_process("prepare", case)
    methods, failures = measure_all(folder, known)

    from benchmarks import _results
    from benchmarks.local_learning import report

    entry = {
        "command": _results.command(),
        "environment": known["environment"],
        "samples": known["samples"],
        "epochs": FLAGS.epochs,
        "batch_size": FLAGS.batch_size,
        "selection": {
            "samples": FLAGS.selection_samples or known["samples"]["train"],
            "epochs": FLAGS.selection_epochs or FLAGS.epochs,
        },
        "methods": {name: report.summarize(method) for name, method in methods.items()},
    }
    page = pathlib.Path(FLAGS.output or folder.parent / "local_learning.md").expanduser()
    report.write(page, FLAGS.table, entry)
    print(report.section(FLAGS.table, entry))
    print(f"Page: {page}")
    return int(bool(failures))


if __name__ == "__main__":
    app.run(main)
