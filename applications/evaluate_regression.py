"""Evaluate a trained forecaster or character model on test data, beside others and simple baselines.

    python applications/evaluate_regression.py --model=runs/mackey_glass/rate.keras
    python applications/evaluate_regression.py --model=runs/text/rate.keras --dataset=play.txt

Writes tables in Markdown, pictures, sample text and all results in JSON to `--output_dir`.
"""

import _flags
import _run
from absl import app, flags
from tabulate import tabulate
from tasks.forecast import Forecast
from tasks.text import Text

FLAGS = flags.FLAGS
_flags.define_evaluation_flags("train_regression.py", "runs/evaluation", dataset=None, least_samples=None)
_flags.define_baseline()
flags.DEFINE_enum("missing", "error", ["error", "fill"], "Series: report gaps, or fill them.")
flags.DEFINE_integer("window", 32, "Text: characters per window, each window from rest.", lower_bound=1)
flags.DEFINE_string("prompt", None, "Text: the sample's beginning (default: that of the test split).")
flags.DEFINE_integer("length", 400, "Text: characters of the sample.", lower_bound=0)
flags.DEFINE_float("temperature", 0.7, "Text: temperature of the sample.", lower_bound=0)
flags.DEFINE_integer("seed", 0, "Text: seed of the sample.")


def load_task(model):
    """Return the data of the flags, in windows that fit the model."""
    if hasattr(model, "alphabet"):
        dataset = FLAGS.dataset or Text.defaults["dataset"]
        return Text(dataset, FLAGS.data_dir, FLAGS.window, model.alphabet)
    encoder = getattr(model, "encoder", model)
    if len(encoder.input_shape) != 3:
        raise ValueError(
            "--model must be a pair of a character model: an encoder alone has no alphabet and can only be the "
            f"--baseline. Received: --model={FLAGS.model}"
        )
    _, window, variables = encoder.input_shape
    dataset, horizon = FLAGS.dataset or Forecast.defaults["dataset"], encoder.output_shape[1]
    task = Forecast(dataset, FLAGS.data_dir, window, horizon, FLAGS.missing)
    if task.series.values.shape[1] != variables:
        raise ValueError(
            f"--dataset must have the model's {variables} variables. Received: {dataset} with "
            f"{task.series.values.shape[1]}: {', '.join(task.series.names)}"
        )
    return task


def tables(scores) -> str:
    """Return the scores as Markdown: a row for each model, and of forecasts one for each element ahead."""
    first = next(iter(scores.values()))
    columns = [name for name, value in first.items() if isinstance(value, float)]
    rows = [[name, *(_format(values.get(column)) for column in columns)] for name, values in scores.items()]
    parts = ["# Evaluation", _table(["", *columns], rows)]
    for kind in ("mse_by_step", "mae_by_step"):
        rows = [
            [i + 1, *(_format(values[kind][i]) for values in scores.values())]
            for i in range(len(first.get(kind, [])))
        ]
        if rows:
            parts += [f"## {kind}", _table(["elements ahead", *scores], rows)]
    return "\n\n".join(parts) + "\n"


def _format(value):
    return "-" if value is None else f"{value:.5f}"


def _table(header, rows):
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True)


def main(_):
    folder = _run.expand(FLAGS.output_dir)
    models = _flags.load_models()
    model = next(iter(models.values()))
    task = load_task(model)
    scores = {name: task.scores(each) for name, each in models.items()} | task.baselines()
    paths = [folder / "evaluation.md", folder / "report.png", folder / "evaluation.json"]
    _run.save_text(tables(scores), paths[0])
    _run.save_figure(task.draw(models, scores), paths[1])
    _run.write_json(paths[2], {"scores": scores, **_run.circumstances(["scikit-learn"])})
    if hasattr(model, "generate"):
        prompt = FLAGS.prompt or task.prompt
        paths.append(folder / "sample.txt")
        text = model.generate(prompt, FLAGS.length, FLAGS.temperature, FLAGS.seed)
        _run.save_text(prompt + text, paths[-1])
    for name, values in scores.items():
        print(f"{name}: {task.format_scores(values)}")
    print(*paths, sep="\n")


if __name__ == "__main__":
    app.run(main)
