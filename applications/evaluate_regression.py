"""Evaluate a trained forecaster or character model on test data, beside another one and simple baselines.

    python applications/evaluate_regression.py --model=runs/mackey_glass/rate.keras
    python applications/evaluate_regression.py --model=runs/text/rate.keras --dataset=play.txt

Writes tables in Markdown, pictures, sample text and all figures in JSON to `--output_dir`.
"""

import pathlib

from absl import app, flags
from regression_tasks import Forecast, Text
from tabulate import tabulate

import keras_bsd
from keras_bsd import runs
from keras_bsd._files import atomic_write, write_json
from keras_bsd.applications import presets

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "A .keras file, or the name of a preset.", required=True)
flags.DEFINE_string("baseline", None, "Another one, to compare with.")
flags.DEFINE_string("dataset", None, "As in train_regression.py.")
flags.DEFINE_string("data_dir", None, "Folder of the published series, or of tensorflow_datasets.")
flags.DEFINE_enum("missing", "error", keras_bsd.datasets.MISSING, "What becomes of gaps in a series.")
flags.DEFINE_integer("window", 32, "Characters in a window: text from rest.", lower_bound=1)
flags.DEFINE_string("prompt", None, "What sample text goes on from (default: the test part's beginning).")
flags.DEFINE_integer("length", 400, "Characters of sample text.", lower_bound=0)
flags.DEFINE_float("temperature", 0.7, "Of sample text.", lower_bound=0)
flags.DEFINE_integer("seed", 0, "Of sample text.")
flags.DEFINE_string("output_dir", "runs/evaluation", "Where results go.")


def task_of(model):
    """The data that the network is made for, as the flags say."""
    if hasattr(model, "alphabet"):
        return Text(FLAGS.dataset or "tiny_shakespeare", FLAGS.data_dir, FLAGS.window, model.alphabet)
    encoder = getattr(model, "encoder", model)
    if len(encoder.input_shape) != 3:
        raise ValueError(
            "An encoder alone does not know its characters: give the pair as --model, it as --baseline. "
            f"Received: --model={FLAGS.model}"
        )
    _, window, variables = encoder.input_shape
    dataset, horizon = FLAGS.dataset or "mackey_glass", encoder.output_shape[1]
    task = Forecast(dataset, FLAGS.data_dir, window, horizon, FLAGS.missing)
    if task.series.values.shape[1] != variables:
        raise ValueError(
            f"The model forecasts {variables} variables. Received: {FLAGS.dataset} with "
            f"{task.series.values.shape[1]}: {', '.join(task.series.names)}"
        )
    return task


def tables(scores):
    """The figures as Markdown: one row a network, and where there are several steps ahead, a row for each."""
    single = [name for name, value in next(iter(scores.values())).items() if isinstance(value, float)]
    rows = [[name, *(_number(kept.get(column)) for column in single)] for name, kept in scores.items()]
    parts = ["# Evaluation", _table(["", *single], rows)]
    for kind in ("mse_by_step", "mae_by_step"):
        steps = next(iter(scores.values())).get(kind, [])
        if steps:
            rows = [[i + 1, *(_number(kept[kind][i]) for kept in scores.values())] for i in range(len(steps))]
            parts += [f"## {kind}", _table(["elements ahead", *scores], rows)]
    return "\n\n".join(parts) + "\n"


def _number(value):
    return "-" if value is None else f"{value:.5f}"


def _table(header, rows):
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True)


def main(_):
    folder = pathlib.Path(FLAGS.output_dir)
    names = [name for name in (FLAGS.model, FLAGS.baseline) if name]
    models = {pathlib.Path(name).stem: presets.load(name) for name in names}
    model = next(iter(models.values()))
    task = task_of(model)
    scores = {name: task.scores(network) for name, network in models.items()} | task.baselines()
    written = [folder / "evaluation.md", folder / "report.png", folder / "evaluation.json"]
    with atomic_write(written[0]) as path:
        path.write_text(tables(scores), encoding="utf-8")
    with atomic_write(written[1]) as path:
        task.draw(models, scores).savefig(path, dpi=120)
    write_json(
        written[2], {"scores": scores, "flags": runs.settings(), **keras_bsd.environment(["scikit-learn"])}
    )
    if hasattr(model, "generate"):
        prompt = FLAGS.prompt or task.prompt
        sample = model.generate(prompt, FLAGS.length, FLAGS.temperature, FLAGS.seed)
        written.append(folder / "sample.txt")
        with atomic_write(written[-1]) as path:
            path.write_text(prompt + sample, encoding="utf-8")
    for name, kept in scores.items():
        print(f"{name}: {task.tell(kept)}")
    print(*written, sep="\n")


if __name__ == "__main__":
    app.run(main)
