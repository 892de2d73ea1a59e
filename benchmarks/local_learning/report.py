"""The page and the record of the benchmark: a table for each network, and the place of BSD in it."""

import json
import statistics

from applications import _run
from benchmarks import _results
from benchmarks.local_learning.tables import PAIRS, TABLES

INTRODUCTION = """Each rule trains the same encoder from the same initial weights, with AdamW, a cosine decay of
the learning rate to zero, and no augmentation. The learning rate of each is the one of the grid by which it
scores best on the last tenth of the training samples, with seed 0. Networks are then trained on all training
samples at that rate, and tested. ± is the standard deviation over seeds.

- `bsd_readouts` weighs local readouts by 1 for classes and by 100 for series, as the recipes do.
- *local*: each stage learns from a loss of its own. Other rules pass errors from stage to stage.
- *C1* to *C5*: `keras_bsd.audit.plausibility` on a network of the same kind with few neurons: independent
  weights, updates from signals at the neuron, no separate backward phase, binary spikes only, no signed errors.
  ✓ holds, (✓) holds with reservations, ✗ fails.
- *operations*: products of weights in a training step, by `keras_bsd.audit.energy`, of backpropagation's;
  empty for recurrent stages, which it does not count.
- *s/epoch*: median of the epochs after the first, which compiles, and over seeds.
- *memory*: peak of the process beyond what it holds once the model is built, compiling included; of one seed.
- Times and memory are those of this library's rules on one machine; its load is given with each table."""


VERDICTS = {"holds": "✓", "holds with reservations": "(✓)", "fails": "✗"}


def audit_columns(method):
    """Return the columns of what an audit has measured, a dict from a heading to a cell."""
    verdicts = {name: VERDICTS[verdict] for name, verdict in method["criteria"].items()}
    operations = method["operations"]
    return {**verdicts, "operations": "" if operations is None else f"{operations:.2f}"}


def summarize(method):
    """Return what the record has of a method: its trainings are reduced to lists of what was measured.

    Args:
        method: dict with `title`, `local`, `obstacle`, and unless there is one `validation` and `tests`.
    """
    kept = {name: value for name, value in method.items() if name not in ("tests", "validation")}
    if "tests" not in method:
        return kept
    tests = method["tests"]
    return {
        **kept,
        "validation": {str(rate): score for rate, score in method["validation"].items()},
        "scores": [test["score"] for test in tests],
        "seconds": [statistics.median(test["seconds"][1:] or test["seconds"]) for test in tests],
        "memory": [test["memory"] for test in tests if test["memory"] is not None],
        "load_average": [test["load_average"] for test in tests],
        **({"parameters": tests[0]["parameters"]} if tests else {}),
    }


def write(path, name, entry):
    """Replace a table in the record beside `path`, and write the page of all tables in it."""
    record = path.with_suffix(".json")
    tables = json.loads(record.read_text())["tables"] if record.exists() else {}
    tables = {**tables, name: json.loads(json.dumps(entry))}
    tables = {known: tables[known] for known in TABLES if known in tables}
    _run.write_json(record, {"tables": tables})
    sections = [section(known, table) for known, table in tables.items()]
    _run.save_text("\n\n".join(["# Local learning rules", INTRODUCTION, *sections]) + "\n", path)


def section(name, entry):
    """Return the heading, command, table and conclusions of one network, in Markdown."""
    table = TABLES[name]
    measured = {key: method for key, method in entry["methods"].items() if _is_measured(method)}
    lines = [f"## {table.title}", f"```sh\n{entry['command']}\n```", _facts(entry, measured)]
    if measured:
        lines.append(_table(table, measured))
    lines += [place(measured, table.forecasts), *_notes(table, entry, measured)]
    return "\n\n".join(line for line in lines if line)


def _is_measured(method):
    return any(score is not None for score in method.get("scores", ()))


def _facts(entry, measured):
    selection = entry["selection"]
    loads = [load for method in measured.values() for load in method["load_average"]]
    facts = {
        "samples": f"{entry['samples']['train']} to train on, {entry['samples']['test']} to test",
        "training": f"{entry['epochs']} epochs, batch {entry['batch_size']}",
        "choice of learning rates": f"the first {selection['samples']} samples, {selection['epochs']} epochs",
        "seeds": max((len(method["scores"]) for method in measured.values()), default=0),
        "load average before a training": f"{min(loads):.1f} to {max(loads):.1f}" if loads else "unknown",
    }
    return _results.fact_lines(entry["environment"], facts.items())


def _table(table, measured):
    score = "test MSE" if table.forecasts else "test accuracy, %"
    rows = []
    for name, method in measured.items():
        cells = {
            "rule": f"`{name}`, {method['title']}",
            "local": "yes" if method["local"] else "no",
            "learning rate": f"{method['learning_rate']:g}",
            score: _with_spread(method["scores"], table.forecasts),
            "s/epoch": f"{statistics.median(method['seconds']):.2f}",
            "memory, MB": f"{statistics.median(method['memory']) / 1e6:.0f}",
            **audit_columns(method),
        }
        if table.published:
            published = table.published.get(name)
            cells["published, %"] = "" if published is None else f"{100 * published:.1f}"
        rows.append(cells)
    return _results.table(list(rows[0]), [list(cells.values()) for cells in rows])


def _with_spread(scores, forecasts):
    scale, digits = (1, 5) if forecasts else (100, 2)
    finite = [scale * score for score in scores if score is not None]
    spread = f" ± {statistics.stdev(finite):.{digits}f}" if len(finite) > 1 else ""
    return f"{statistics.mean(finite):.{digits}f}{spread}"


def place(measured, forecasts):
    """Return in words where BSD stands among the local rules, and beside backpropagation through time.

    A difference is stated as one if it exceeds the larger of both standard deviations over seeds.

    Args:
        measured: dict from a method to its record, with `local` and `scores`.
        forecasts: whether the lower of two scores is the better.
    """
    rivals = {name: method for name, method in measured.items() if method["local"] and name not in PAIRS}
    sentences = []
    for name in PAIRS:
        if name not in measured:
            continue
        own, title = measured[name], PAIRS[name]
        if rivals:
            sentences.append(_place_among(own, title, rivals, forecasts))
        if "backprop" in measured:
            gain = _gain(own, measured["backprop"], forecasts)
            verdict = _compare(own, measured["backprop"], forecasts)
            within = ", within one standard deviation" if verdict == "equal" else ""
            sentences.append(
                f"Beside backpropagation through time, {title} is "
                f"{_difference(gain, forecasts)} `backprop`{within}."
            )
    return " ".join(sentences)


def _place_among(own, title, rivals, forecasts):
    gains = {name: _gain(own, rival, forecasts) for name, rival in rivals.items()}
    best = min(gains, key=gains.get)
    rank = 1 + sum(gain < 0 for gain in gains.values())
    verdict = _compare(own, rivals[best], forecasts)
    place = {
        "better": f"is first of the {len(rivals) + 1} local rules",
        "equal": f"is within one standard deviation of the best other of {len(rivals) + 1} local rules",
        "worse": f"is behind, number {rank} of {len(rivals) + 1} local rules",
        "unknown": f"is number {rank} of {len(rivals) + 1} local rules, by one seed, which is no claim",
    }[verdict]
    return f"**{title} {place}**: {_difference(gains[best], forecasts)} `{best}`."


def _mean(method):
    return statistics.mean(score for score in method["scores"] if score is not None)


def _gain(method, other, forecasts):
    """Return by how much the first method is better."""
    difference = _mean(method) - _mean(other)
    return -difference if forecasts else difference


def _compare(method, other, forecasts):
    scores = [[score for score in each["scores"] if score is not None] for each in (method, other)]
    if min(map(len, scores)) < 2:
        return "unknown"
    gain = _gain(method, other, forecasts)
    if abs(gain) <= max(map(statistics.stdev, scores)):
        return "equal"
    return "better" if gain > 0 else "worse"


def _difference(gain, forecasts):
    amount = f"an MSE {abs(gain):.5f}" if forecasts else f"{100 * abs(gain):.2f} points"
    return f"{amount} {'above' if (gain >= 0) != forecasts else 'below'}"


def _notes(table, entry, measured):
    """Yield what the table does not show: rates at an end of the grid, rules without a result, differences."""
    edges = []
    for name, method in measured.items():
        rates = sorted(map(float, method["validation"]))
        if len(rates) > 1 and method["learning_rate"] in (rates[0], rates[-1]):
            edges.append(f"`{name}`")
    if edges:
        yield f"Best at an end of the grid, so that a rate outside it may be better: {', '.join(edges)}."
    for name, method in entry["methods"].items():
        if method.get("obstacle"):
            yield f"`{name}` cannot train this network: {method['obstacle']}."
        elif method.get("failure"):
            yield f"`{name}` failed: {method['failure']}"
        elif name not in measured:
            yield f"`{name}` has not been measured."
    if table.source:
        yield table.source
