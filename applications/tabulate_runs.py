"""Prints the scores of one or several runs of a training recipe, with mean and spread over seeds."""

import json
import pathlib
import statistics

from absl import app, flags
from tabulate import tabulate

FLAGS = flags.FLAGS
flags.DEFINE_integer("digits", 4, "Digits behind the point.", lower_bound=0)


def read(folder):
    path = pathlib.Path(folder) / "metrics.json"
    if not path.is_file():
        raise app.UsageError(f"{folder} holds no run that has ended: {path} is missing.")
    return json.loads(path.read_text())


def scores(metrics):
    """Figures by what was trained, a dict of dicts."""
    tested = metrics.get("test", {})
    for name in ("test_accuracy", "test_mse"):
        for rule, value in metrics.get(name, {}).items():
            tested.setdefault(rule, {})[name.removeprefix("test_")] = value
    for rule, seconds in metrics["seconds"].items():
        tested[rule]["seconds"] = seconds
    return {
        rule: {name: value for name, value in kept.items() if not isinstance(value, list)}
        for rule, kept in tested.items()
    }


def check_alike(folders, runs):
    """Raise unless nothing but the seed tells these runs apart."""
    asked_for = [{**run["flags"], "seed": None, "backend": run["backend"]} for run in runs]
    for folder, flags_of_run in zip(folders, asked_for, strict=True):
        other = {name for name, value in flags_of_run.items() if value != asked_for[0].get(name)}
        if other:
            raise app.UsageError(
                f"Runs must differ in their seed alone. Received: {folders[0]} and {folder}, which differ in "
                f"{', '.join(sorted(other))}."
            )
    if len({run["flags"]["seed"] for run in runs}) < len(runs):
        raise app.UsageError("Runs must differ in their seed. Received: the same seed more than once.")


def told(values):
    mean = f"{statistics.mean(values):.{FLAGS.digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{FLAGS.digits}f}" if len(values) > 1 else mean


def main(arguments):
    folders = arguments[1:]
    if not folders:
        raise app.UsageError("Which runs? Give the folders that a training recipe wrote (--output_dir).")
    runs = [read(folder) for folder in folders]
    check_alike(folders, runs)
    found = [scores(run) for run in runs]
    columns = list(dict.fromkeys(name for kept in found[0].values() for name in kept))
    rows = [
        [rule, *(told([run[rule][name] for run in found]) if name in kept else "" for name in columns)]
        for rule, kept in found[0].items()
    ]
    print(tabulate(rows, ["", *columns], tablefmt="pipe", disable_numparse=True))
    seeds = ", ".join(str(run["flags"]["seed"]) for run in runs)
    print(f"\nSeeds {seeds}; ± is the standard deviation between them.\n{runs[0]['command']}")


if __name__ == "__main__":
    app.run(main)
