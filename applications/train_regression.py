"""Train a spiking forecaster or character model by BSD, and the same network by other methods to compare.

    python applications/train_regression.py
    python applications/train_regression.py --method=bsd,dfa,decolle,eprop,backprop
    python applications/train_regression.py --dataset=etth1 --data_dir=DIR --window=96 --horizon=24
    python applications/train_regression.py --task=text --dataset=tiny_shakespeare --epochs=5

Writes a trained model for each method, pictures, sample text and all results to `--output_dir`. The same
command resumes training that was interrupted.
"""

import functools
import pathlib

import _flags
import _run
import keras
from _flags import Method
from absl import app, flags
from matplotlib.figure import Figure
from tasks.forecast import Forecast
from tasks.text import Text

import keras_bsd
from keras_bsd import plots

METHODS = {
    "bsd": Method("BSD, the builder's defaults", 1.2e-2),
    "rate": Method("BSD", 1.2e-2),
    "readouts": Method("BSD with local readouts", 1.2e-2),
    "surrogate": Method("BSD, surrogate rule", 1.2e-2),
    "backprop": Method("backpropagation through time", 3e-3),
    "frozen": Method("frozen stages, trained readout", 1.2e-2),
}
NOT_RECURRENT = ("spatial", "ottt", "fa")  # rules that cannot train these networks
METHODS |= _flags.baseline_methods(6e-3, exclude={*METHODS, *NOT_RECURRENT})
BSD = ("bsd", "rate", "readouts", "surrogate")
TASKS = {"forecast": Forecast, "text": Text}

FLAGS = flags.FLAGS
_flags.define_training_flags(
    METHODS,
    default=["rate", "readouts", "backprop", "frozen"],
    epochs=10,
    batch_size=64,
    output_dir="runs/DATASET",
)
_flags.define_local_readouts(None, "forecast 100, text 3")
flags.DEFINE_enum(
    "task", "forecast", list(TASKS), "Forecast a series, or predict the next character of a text."
)
flags.DEFINE_string(
    "dataset",
    None,
    "forecast: mackey_glass (default), etth1, exchange_rate or the path of a CSV file; "
    "text: tiny_shakespeare (default) or the path of a text file.",
)
flags.DEFINE_string("data_dir", None, "Folder of the published series, or of TensorFlow Datasets.")
flags.DEFINE_enum("missing", "error", ["error", "fill"], "forecast: report gaps in a series, or fill them.")
flags.DEFINE_integer("window", None, "Elements in a window (default: forecast 48, text 32).", lower_bound=2)
flags.DEFINE_integer("horizon", 6, "forecast: elements to forecast.", lower_bound=1)
flags.DEFINE_list("units", None, "Neurons of each stage (default: forecast 128,128; text 256).")
flags.DEFINE_integer("delays", None, "Preceding elements that synapses bring (default: forecast 24, text 8).")
flags.DEFINE_integer("timesteps", 4, "Time steps per element.", lower_bound=1)
flags.DEFINE_enum(
    "normalization", "instance", ["instance", "none"], "forecast: standardise each window (instance) or not."
)


def dataset() -> str:
    return FLAGS.dataset or TASKS[FLAGS.task].defaults["dataset"]


def load_task():
    window = FLAGS.window or TASKS[FLAGS.task].defaults["window"]
    if FLAGS.task == "text":
        return Text(dataset(), FLAGS.data_dir, window)
    return Forecast(dataset(), FLAGS.data_dir, window, FLAGS.horizon, FLAGS.missing)


def network_arguments(task) -> dict:
    """Return the arguments of the network's builder."""
    arguments = {
        **task.data_arguments(),
        "units": _flags.sizes(FLAGS.units or task.defaults["units"]),
        "delays": FLAGS.delays or task.defaults["delays"],
        "timesteps": FLAGS.timesteps,
    }
    return {**arguments, "normalization": FLAGS.normalization} if FLAGS.task == "forecast" else arguments


def build(method, task):
    """Return the model that a method trains; its encoder always has the same initial weights."""
    keras.utils.set_random_seed(FLAGS.seed)
    builder = getattr(keras_bsd.applications, task.application)
    rules = {"rate": "rate", "readouts": "rate", "surrogate": "surrogate"}
    options = {"rule": rules[method]} if method in rules else {}
    pair = builder(
        **network_arguments(task), **options, **_flags.local_readouts(method, task.local_readout_weight)
    )
    if method == "frozen":
        for stage in pair.encoder_stages:
            stage.trainable = False
    if method in BSD:
        return pair
    if method in ("backprop", "frozen"):
        return pair.encoder
    return keras_bsd.baselines.get(method)(pair.encoder, task=pair.task)


def train(method, task, run) -> dict:
    """Train by one method, save the model, and return its results."""
    print(f"{METHODS[method].title}, {dataset()}:")
    model, batches = build(method, task), task.batches(FLAGS.batch_size, FLAGS.seed)
    _flags.compile_model(model, METHODS[method], len(batches), loss=task.loss, metrics=task.metrics)
    validation = {"validation_data": task.validation, "validation_batch_size": 500}
    history = run.fit(method, model, batches, FLAGS.epochs, **validation)
    run.save(method, model, task.test[0][:500])
    return {
        "scores": task.scores(model),
        "seconds": sum(history["seconds"]),
        "parameters": getattr(model, "encoder", model).count_params(),
        "history": history,
    }


def write_report(results, baselines, task, folder) -> list:
    """Write pictures and, of a character model, sample text; return the paths of these files."""
    models, scores, histories = {}, {}, {}
    for method, result in results.items():
        title = METHODS[method].title
        models[title] = keras.saving.load_model(folder / f"{method}.keras", compile=False)
        scores[title], histories[title] = result["scores"], result["history"]
    paths = [folder / "report.png", folder / "loss.png"]
    _run.save_figure(task.draw(models, scores | baselines), paths[0])
    figure = Figure(figsize=(8, 4), layout="constrained")
    plots.learning_curves(histories, axis=figure.add_subplot())
    _run.save_figure(figure, paths[1])
    if FLAGS.task == "text" and FLAGS.method[0] in BSD:
        model = next(iter(models.values()))
        paths.append(folder / "sample.txt")
        text = model.generate(task.prompt, 400, temperature=0.7, seed=FLAGS.seed)
        _run.save_text(task.prompt + text, paths[-1])
    return paths


def main(_):
    keras.config.set_dtype_policy(FLAGS.dtype)
    task = load_task()
    folder = _run.expand(FLAGS.output_dir or f"runs/{pathlib.Path(dataset()).stem}")
    for method in FLAGS.method:
        build(method, task)  # raises before the files of an earlier run are removed
    with _run.Run(folder, METHODS) as run:
        results = {
            method: run.result(method, functools.partial(train, method, task, run)) for method in FLAGS.method
        }
        baselines, arguments = task.baselines(), network_arguments(task)
        record = _run.record(
            task.name, dataset(), task.application, arguments, results, baselines, ["scikit-learn"]
        )
        _run.write_json(folder / "metrics.json", record)
        paths = write_report(results, baselines, task, folder)
    scores = {METHODS[method].title: result["scores"] for method, result in results.items()}
    for title, values in {**scores, **baselines}.items():
        print(f"{title}: {task.format_scores(values)}")
    for path in [*paths, *(folder / f"{method}.keras" for method in results), folder / "metrics.json"]:
        print(path)


if __name__ == "__main__":
    app.run(main)
