"""Print the scores of one or several training runs, with mean and standard deviation over seeds.

python applications/tabulate_runs.py runs/digits-0 runs/digits-1 runs/digits-2
"""

import json
import pathlib
import statistics

from absl import app, flags
from tabulate import tabulate

FLAGS = flags.FLAGS
flags.DEFINE_integer("digits", 4, "Digits after the decimal point.", lower_bound=0)


def read(folder) -> dict:
    path = pathlib.Path(folder).expanduser() / "metrics.json"
    if not path.is_file():
        raise app.UsageError(
            f"Each folder must hold a finished training run. Received: {folder}, where {path} is missing."
        )
    return json.loads(path.read_text())


def scores(metrics) -> dict:
    """Return the numbers by method or baseline, and by name."""
    rows = {
        name: {**method["scores"], "seconds": method["seconds"]} for name, method in metrics["methods"].items()
    }
    return {
        row: {name: value for name, value in values.items() if not isinstance(value, list)}
        for row, values in {**rows, **metrics.get("baselines", {})}.items()
    }


def check_comparable(folders, runs):
    """Raise unless the runs differ in their seeds alone."""
    settings = [{**run["flags"], "seed": None, "backend": run["backend"]} for run in runs]
    for folder, values in zip(folders, settings, strict=True):
        different = sorted(name for name, value in values.items() if value != settings[0].get(name))
        if different:
            raise app.UsageError(
                f"Runs must differ in their seed alone. Received: {folders[0]} and {folder}, which differ in "
                f"{', '.join(different)}."
            )
    if len({run["flags"]["seed"] for run in runs}) < len(runs):
        raise app.UsageError("Runs must differ in their seed. Received: the same seed more than once.")


def format_values(values) -> str:
    mean = f"{statistics.mean(values):.{FLAGS.digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{FLAGS.digits}f}" if len(values) > 1 else mean


def main(arguments):
    folders = arguments[1:]
    if not folders:
        raise app.UsageError("Give the folders of one or several training runs (their --output_dir).")
    runs = [read(folder) for folder in folders]
    check_comparable(folders, runs)
    tables = [scores(run) for run in runs]
    columns = list(dict.fromkeys(name for values in tables[0].values() for name in values))
    rows = []
    for row, values in tables[0].items():
        numbers = {name: [table[row][name] for table in tables] for name in values}
        rows.append([row, *(format_values(numbers[name]) if name in values else "" for name in columns)])
    print(tabulate(rows, ["", *columns], tablefmt="pipe", disable_numparse=True))
    seeds = ", ".join(str(run["flags"]["seed"]) for run in runs)
    print(f"\nSeeds {seeds}; ± is the standard deviation between them.\n{runs[0]['command']}")


if __name__ == "__main__":
    app.run(main)
