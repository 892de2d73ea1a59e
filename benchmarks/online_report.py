"""Page of what `measure_online` has measured, written from a record of all its tables."""

import json
import statistics

from applications import _run
from benchmarks import _results
from benchmarks.online_streams import FIT_EPOCHS, METHODS, QUARTERS, SHOTS

INTRODUCTION = f"""Dense networks learn from streams of samples, by AdamW. The learning rate of each method is
the one of the grid by which it scores best on held-out samples, with the first seed; those are of the training
set, behind the ones to learn from. At that rate it is tested. ± is the standard deviation over seeds.

- *recall*: rehearsed are typical stimuli of the classes, varied by deviations. One stimulus for each class is
  kept, and as many deviations as samples are rehearsed in a step.
- *stored*: rehearsed are stored samples, as many as recall keeps stimuli and deviations together.
- *at once*: a stream of the same samples in which all classes come together, shuffled; the ceiling.
- Networks that have been trained before their stream had {FIT_EPOCHS} epochs in batches of 64, at a rate chosen
  in the same way, by their accuracy before the stream."""

PARTS = {  # title, and what is measured
    "tasks": (
        "Five tasks of two classes",
        "Classes come two by two and never again. The accuracy is that on test samples of all ten classes "
        "after the last task. Forgetting is the mean over all tasks but the last of the accuracy on the task's "
        "classes after it, minus that after the last task. *kept* counts stimuli, deviations and samples.",
    ),
    "variants": (
        "Ways to rehearse, in five tasks of two classes",
        "BSD with recall, where rehearsed stimuli are made in other ways. Accuracy is that on held-out "
        "training samples, by which the learning rates are chosen too. No test sample is used.",
    ),
    "few": (
        "A tenth class from few samples",
        f"A network trained on nine classes takes steps on {', '.join(map(str, SHOTS))} samples of the tenth. "
        "Each cell has the accuracy on test samples of the nine earlier classes and on those of the new one. "
        "*by the decoder*: no sample of an earlier class is used; *after `remember`* and *stored*: 1,000 are "
        "looked through. Learning rates are chosen by the mean of all accuracies in a row.",
    ),
    "drift": (
        "Pixels that turn into their negatives",
        "A network trained by BSD on all classes meets a stream in which more and more pixels are negatives, "
        "the same ones in all samples. Accuracy is that on test samples inverted as the stream is by then. One "
        "by one, each sample of the stream is a step of its own. Learning rates are chosen by the mean of all "
        "accuracies in a row.",
    ),
}
DATASETS = {"digits": "digits", "mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}


def write(path, entry):
    """Replace a table in the record beside `path`, and write the page of all tables in it.

    Args:
        path: path of a .md page.
        entry: dict, what has been measured in one part on one data set.
    """
    record = path.with_suffix(".json")
    tables = json.loads(record.read_text())["tables"] if record.exists() else []
    entry = json.loads(json.dumps(entry))
    tables = sorted([*(known for known in tables if _key(known) != _key(entry)), entry], key=_key)
    _run.write_json(record, {"tables": tables})
    sections = map(section, tables)
    _run.save_text("\n\n".join(["# Learning from a stream", INTRODUCTION, *sections]) + "\n", path)


def _key(entry):
    """Return what tells tables apart, and orders them."""
    return list(PARTS).index(entry["part"]), entry["shift"], entry["dataset"]


def section(entry):
    """Return the heading, command, table and notes of one part, in Markdown."""
    title, measured = PARTS[entry["part"]]
    moved = f", moved by up to {entry['shift']} pixels" if entry["shift"] else ""
    data = DATASETS.get(entry["dataset"], entry["dataset"])
    lines = [f"## {title}: {data}{moved}", f"```sh\n{entry['command']}\n```"]
    return "\n\n".join([*lines, _facts(entry), measured, _table(entry), *_notes(entry)])


def _facts(entry):
    samples, facts = entry["samples"], {}
    rates = ", ".join(f"{rate:g}" for rate in entry["rates"])
    facts["samples"] = f"{samples['train']} to train on, {samples['test']} to test"
    facts["choice of learning rates"] = f"{rates}, by {samples['held out']} held-out samples"
    if entry["fit_rates"]:
        chosen = ", ".join(f"{rate:g} for {rule}" for rule, rate in entry["fit_rates"].items())
        facts["learning rate before the stream"] = chosen
    facts["network"] = f"stages of {', '.join(map(str, entry['units']))} neurons"
    steps = {"few": f"{entry['steps']} steps", "drift": "passes: 1"}
    steps = steps.get(entry["part"], f"passes: {entry['epochs']}")
    facts["stream"] = f"batches of {entry['batch_size']}, {entry['rehearsed']} rehearsed samples, {steps}"
    facts["seeds"] = len(entry["seeds"])
    return _results.fact_lines(entry["environment"], facts.items())


def _table(entry):
    rows = []
    for name, method in entry["methods"].items():
        rate = method["learning_rate"]
        cells = {"method": name, "learning rate": f"{rate:g}" if rate else ""}
        rows.append(cells | COLUMNS[entry["part"]](entry, name, method["results"]))
    return _results.table(list(rows[0]), [list(cells.values()) for cells in rows])


def _task_columns(entry, name, results):
    stores = entry["part"] == "variants" or METHODS[name][1] is not None
    accuracy, forgetting = zip(*results, strict=True)
    cells = {"accuracy, %": spread(accuracy), "forgetting, %": spread(forgetting)}
    return cells if entry["part"] == "variants" else {"kept": entry["memory"] if stores else 0, **cells}


def _few_columns(entry, name, results):
    return {
        f"{shots} sample{'s' * (shots > 1)}": " / ".join(
            spread(values) for values in zip(*of_shots, strict=True)
        )
        for shots, of_shots in zip(SHOTS, zip(*results, strict=True), strict=True)
    }


def _drift_columns(entry, name, results):
    by_quarter = zip(QUARTERS, zip(*results, strict=True), strict=True)
    return {f"{quarter:.0%} inverted": spread(values) for quarter, values in by_quarter}


COLUMNS = {"tasks": _task_columns, "variants": _task_columns, "few": _few_columns, "drift": _drift_columns}


def spread(values):
    """Return mean and standard deviation over seeds in per cent, of one seed its value, of None nothing."""
    if None in values:
        return ""
    values = [100 * value for value in values]
    deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"


def _notes(entry):
    """Yield which methods are at their best at an end of the grid."""
    rates = entry["rates"]
    for end, beyond in ((min(rates), "lower"), (max(rates), "higher")):
        methods = [name for name, method in entry["methods"].items() if method["learning_rate"] == end]
        if methods and len(rates) > 1:
            yield f"Best at the end of the grid, so that a {beyond} rate may be better: {'; '.join(methods)}."
