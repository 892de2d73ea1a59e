"""Train a spiking forecaster or character model by BSD, and the same network by other rules to compare.

    python applications/train_regression.py
    python applications/train_regression.py --dataset=etth1 --data_dir=DIR --window=96 --horizon=24
    python applications/train_regression.py --task=text --dataset=tiny_shakespeare --epochs=5

Writes to `--output_dir` a trained model for each rule, pictures, sample text, and all figures. The same command
goes on with training that was interrupted.
"""

import functools
import pathlib

import keras
from absl import app, flags
from regression_tasks import Forecast, Text, draw_training
from training import check_local_readouts, compile_model, define_flags

import keras_bsd
from keras_bsd import runs
from keras_bsd._files import atomic_write, write_json

RULES = {  # what a rule is called, and AdamW's learning rate with it
    "rate": ("BSD", 1.2e-2),
    "readouts": ("BSD with local readouts", 1.2e-2),
    "surrogate": ("BSD, surrogate rule", 1.2e-2),
    "backprop": ("backpropagation through time", 3e-3),
    "reservoir": ("untrained stages, trained readout", 1.2e-2),
}
BSD = ("rate", "readouts", "surrogate")
TASKS = {"forecast": Forecast, "text": Text}

FLAGS = flags.FLAGS
define_flags(
    RULES,
    chosen=["rate", "readouts", "backprop", "reservoir"],
    epochs=10,
    batch_size=64,
    output_dir="runs/DATASET",
)
flags.DEFINE_enum("task", "forecast", list(TASKS), "Forecast a series, or foretell a text's next character.")
flags.DEFINE_string(
    "dataset",
    None,
    "forecast: mackey_glass (default), etth1, exchange_rate or the path of a CSV file; "
    "text: tiny_shakespeare (default) or the path of a text file.",
)
flags.DEFINE_string("data_dir", None, "Folder of the published series, or of tensorflow_datasets.")
flags.DEFINE_enum("missing", "error", keras_bsd.datasets.MISSING, "What becomes of gaps in a series.")
flags.DEFINE_integer("window", None, "Elements in a window (default: forecast 48, text 32).", lower_bound=2)
flags.DEFINE_integer("horizon", 6, "forecast: elements ahead.", lower_bound=1)
flags.DEFINE_list("units", None, "Neurons of each stage (default: forecast 128,128; text 256).")
flags.DEFINE_integer("delays", None, "Elements that synapses bring (default: forecast 24, text 8).")
flags.DEFINE_integer("timesteps", 4, "Time steps an element.", lower_bound=1)
flags.DEFINE_float(
    "local_readout_weight",
    None,
    "Rule readouts: weight of what each stage learns from its own (default: forecast 100, text 3).",
)
check_local_readouts()
flags.DEFINE_enum("normalization", "instance", ["instance", "none"], "forecast: of each window.")


def load_task():
    window = FLAGS.window or TASKS[FLAGS.task].defaults["window"]
    if FLAGS.task == "text":
        return Text(FLAGS.dataset or "tiny_shakespeare", FLAGS.data_dir, window)
    dataset = FLAGS.dataset or "mackey_glass"
    return Forecast(dataset, FLAGS.data_dir, window, FLAGS.horizon, FLAGS.missing)


def network_arguments(task):
    """What the network's builder is given."""
    arguments = {
        **task.data_arguments(),
        "units": tuple(map(int, FLAGS.units or task.defaults["units"])),
        "delays": FLAGS.delays or task.defaults["delays"],
        "timesteps": FLAGS.timesteps,
    }
    return {**arguments, "normalization": FLAGS.normalization} if FLAGS.task == "forecast" else arguments


def build(rule, task):
    """The model that `rule` trains: a pair, or its encoder; the same first weights at every call."""
    keras.utils.set_random_seed(FLAGS.seed)
    build_pair = getattr(keras_bsd.applications, task.application)
    weight = task.local_readout_weight if FLAGS.local_readout_weight is None else FLAGS.local_readout_weight
    pair = build_pair(
        **network_arguments(task),
        rule="surrogate" if rule == "surrogate" else "rate",
        local_readout_weight=weight if rule == "readouts" else 0.0,
    )
    if rule == "reservoir":
        for stage in pair.encoder_stages:
            stage.trainable = False
    return pair if rule in BSD else pair.encoder


def result(rule, task, run):
    """Train by one rule, save the model, and give what is to be told of it."""
    print(f"{RULES[rule][0]}, {dataset()}:")
    model, batches = build(rule, task), task.batches(FLAGS.batch_size, FLAGS.seed)
    compile_model(model, RULES[rule][1], batches, loss=task.loss, metrics=task.metrics)
    history = run.fit(
        rule, model, batches, FLAGS.epochs, validation_data=task.validation, validation_batch_size=500
    )
    run.save(rule, model, task.test[0][:500])
    return {
        "scores": task.scores(model),
        "seconds": sum(history["seconds"]),
        "parameters": getattr(model, "encoder", model).count_params(),
        "history": history,
    }


def save(figure, path):
    with atomic_write(path) as written:
        figure.savefig(written, dpi=120)


def dataset():
    return FLAGS.dataset or {"forecast": "mackey_glass", "text": "tiny_shakespeare"}[FLAGS.task]


def metrics(found, scores, task):
    """All figures and circumstances of a run, from what `result` gave by rule and the scores of all."""
    measured = ("seconds", "parameters", "history")
    return {
        "task": FLAGS.task,
        "data": dataset(),
        "test": scores,
        **{kind: {rule: kept[kind] for rule, kept in found.items()} for kind in measured},
        "application": task.application,
        "arguments": network_arguments(task),
        "command": runs.command(),
        "flags": runs.settings(),
        **keras_bsd.environment(["scikit-learn"]),
    }


def draw_report(found, scores, task, folder):
    """Pictures and, of a character model, sample text; gives the files' paths."""
    models = {rule: keras.saving.load_model(folder / f"{rule}.keras", compile=False) for rule in found}
    save(task.draw({RULES[rule][0]: model for rule, model in models.items()}, scores), folder / "report.png")
    save(draw_training({RULES[rule][0]: kept["history"] for rule, kept in found.items()}), folder / "loss.png")
    if FLAGS.task != "text" or FLAGS.rule[0] not in BSD:
        return [folder / "report.png", folder / "loss.png"]
    text = models[FLAGS.rule[0]].generate(task.prompt, 400, temperature=0.7, seed=FLAGS.seed)
    with atomic_write(folder / "sample.txt") as path:
        path.write_text(task.prompt + text, encoding="utf-8")
    return [folder / "report.png", folder / "loss.png", folder / "sample.txt"]


def main(_):
    keras.config.set_dtype_policy(FLAGS.dtype)
    task = load_task()
    folder = pathlib.Path(FLAGS.output_dir or f"runs/{pathlib.Path(dataset()).stem}")
    build(FLAGS.rule[0], task)  # or an error, before what an earlier run left is removed
    with runs.Run(folder, RULES) as run:
        found = {rule: run.result(rule, functools.partial(result, rule, task, run)) for rule in FLAGS.rule}
        scores = {rule: kept["scores"] for rule, kept in found.items()} | task.baselines()
        write_json(folder / "metrics.json", metrics(found, scores, task))
        written = draw_report(found, scores, task, folder)
    for name, kept in scores.items():
        print(f"{RULES.get(name, (name,))[0]}: {task.tell(kept)}")
    for path in [*written, *(folder / f"{rule}.keras" for rule in found), folder / "metrics.json"]:
        print(path)


if __name__ == "__main__":
    app.run(main)
