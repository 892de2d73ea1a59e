"""The benchmark of local learning: one small run, and its parts on records made by hand."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

import keras_bsd
from benchmarks.local_learning import measure, report, tables, trainings
from tests.recipes.running import ROOT, run

ENVIRONMENT = {
    "date": "today",
    "machine": "a machine",
    "backend": "jax",
    "versions": {"keras": "3", "jax": None},
}


def _method(*scores, rate=0.003, local=True, **others):
    """Return what is measured of a method; the first epoch, which compiles, takes 100 seconds."""
    tests = [
        {"score": s, "seconds": [100.0, 2.0, 3.0], "memory": 5e6, "load_average": 0.5, "parameters": 7}
        for s in scores
    ]
    validation = {0.001: 0.1, 0.003: 0.9, 0.006: 0.2}
    known = {"title": "a rule", "local": local, "obstacle": None, "learning_rate": rate}
    known |= {"criteria": {"C1": "holds", "C2": "holds with reservations", "C3": "fails"}, "operations": 0.456}
    return {**known, "validation": validation, "tests": tests, **others}


def _entry(**methods):
    return {
        "command": "python -m something",
        "environment": ENVIRONMENT,
        "samples": {"train": 90, "test": 10},
        "epochs": 3,
        "batch_size": 8,
        "selection": {"samples": 50, "epochs": 2},
        "methods": {name: report.summarize(method) for name, method in methods.items()},
    }


def _row(section, name):
    row = next(row for row in section.splitlines() if row.startswith(f"| `{name}`"))
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.mark.slow
def test_goes_on_after_a_result_is_deleted(tmp_path):
    command = [sys.executable, "-m", "benchmarks.local_learning", "--table=digits", "--methods=ottt"]
    command += ["--epochs=1", "--seeds=1", "--learning_rates=0.003,0.01", f"--output_dir={tmp_path}"]
    for deleted in (None, "ottt-test-rate0.01-seed0.json"):
        if deleted:
            (tmp_path / "digits" / deleted).unlink()
            page = (tmp_path / "local_learning.md").read_text()
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "digits").glob("*.json")}
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert [line for line in done.stdout.splitlines() if "-rate" in line] == [
        f"ottt-test-rate0.01-seed0: {json.loads((tmp_path / 'digits' / deleted).read_text())['score']}"
    ]
    record = json.loads((tmp_path / "local_learning.json").read_text())["tables"]["digits"]
    assert "-m benchmarks.local_learning --table=digits --methods=ottt" in record["command"]
    (accuracy,) = record["methods"]["ottt"]["scores"]
    again = (tmp_path / "local_learning.md").read_text()
    assert _row(again, "ottt")[2:4] == _row(page, "ottt")[2:4] == ["0.01", f"{100 * accuracy:.2f}"]
    assert 0.1 < accuracy <= 1
    assert record["methods"]["ottt"]["memory"][0] > 0
    assert record["samples"] == {"train": 1437, "test": 360}


@pytest.mark.slow
def test_unknown_methods(tmp_path):
    done = run("local_learning", "--table=digits", "--methods=bsd,other", f"--output_dir={tmp_path}")
    assert done.returncode
    message = r"--methods must be some of bsd, bsd_readouts, backprop, .*\. Received: other"
    assert re.search(message, done.stdout + done.stderr)


def test_a_table_of_accuracies():
    """Means, standard deviations and medians of 0.8, 0.9 and 1.0; the first epoch does not count."""
    text = report.section("mnist_small", _entry(bsd=_method(0.8, 0.9, 1.0), decolle=_method(0.5, 0.5, 0.6)))
    assert "## MNIST, 784-256-10" in text
    assert "```sh\npython -m something\n```" in text
    audited = ["✓", "(✓)", "✗", "0.46"]
    cells = ["`bsd`, a rule", "yes", "0.003", "90.00 ± 10.00", "2.50", "5", *audited, ""]
    assert _row(text, "bsd") == cells
    assert _row(text, "decolle")[-1] == "95.7"  # published
    assert "- choice of learning rates: the first 50 samples, 2 epochs" in text
    assert "- versions: keras 3\n" in text
    assert "arXiv 2605.15058" in text
    assert "end of the grid" not in text


def test_a_table_of_errors():
    text = report.section("mackey_glass", _entry(bsd=_method(0.25), eprop=_method(0.125)))
    assert _row(text, "bsd")[3] == "0.25000"
    assert _row(text, "bsd")[-4:] == ["✓", "(✓)", "✗", "0.46"]
    without = report.section("mackey_glass", _entry(bsd=_method(0.25, operations=None)))
    assert _row(without, "bsd")[-1] == ""
    assert "by one seed, which is no claim**: an MSE 0.12500 above `eprop`" in text


def test_notes_name_what_the_table_does_not_show():
    others = {
        "fa": {"title": "fa", "local": False, "obstacle": "stage 'recurrent_1' is recurrent"},
        "ff": {**_method(), "failure": "ValueError: no", "tests": []},
        "lls": {**_method(), "tests": []},
        "dfa": {**_method(None, None)},
    }
    text = report.section("digits", _entry(bsd=_method(0.9, rate=0.006), **others))
    assert "so that a rate outside it may be better: `bsd`." in text
    assert "`fa` cannot train this network: stage 'recurrent_1' is recurrent." in text
    assert "`ff` failed: ValueError: no" in text
    assert "`lls` has not been measured." in text
    assert "`dfa` has not been measured." in text
    assert "| `fa`" not in text
    assert "published" not in text


@pytest.mark.parametrize(
    ("bsd", "rival", "message"),
    [
        ((0.90, 0.92), (0.80, 0.81), "BSD is first of the 2 local rules**: 10.50 points above `dfa`."),
        (
            (0.90, 0.94),
            (0.92, 0.93),
            "within one standard deviation of the best other of 2 local rules**: 0.50",
        ),
        ((0.70, 0.72), (0.80, 0.81), "BSD is behind, number 2 of 2 local rules**: 9.50 points below `dfa`."),
        ((0.70,), (0.80, 0.81), "BSD is number 2 of 2 local rules, by one seed, which is no claim"),
    ],
)
def test_the_place_of_bsd_among_local_rules(bsd, rival, message):
    """A rule that passes errors on is not among them, however good."""
    methods = {"bsd": _method(*bsd), "dfa": _method(*rival), "ottt": _method(1.0, 1.0, local=False)}
    summaries = {name: report.summarize(method) for name, method in methods.items()}
    assert message in report.place(summaries, forecasts=False)


def test_bsd_with_local_readouts_has_a_place_of_its_own():
    methods = {"bsd": _method(0.7, 0.7), "bsd_readouts": _method(0.9, 0.9), "dfa": _method(0.8, 0.8)}
    text = report.place({name: report.summarize(method) for name, method in methods.items()}, forecasts=False)
    assert "**BSD is behind, number 2 of 2 local rules**: 10.00 points below `dfa`." in text
    assert "**BSD with local readouts is first of the 2 local rules**: 10.00 points above `dfa`." in text


def test_the_difference_from_backpropagation():
    methods = {"bsd": _method(0.90, 0.92), "backprop": _method(0.92, 0.92, local=False)}
    summaries = {name: report.summarize(method) for name, method in methods.items()}
    words = "BSD is 1.00 points below `backprop`, within one standard deviation."
    assert words in report.place(summaries, forecasts=False)
    assert report.place({"backprop": summaries["backprop"]}, forecasts=False) == ""


def test_a_table_replaces_its_predecessor_and_leaves_the_others(tmp_path):
    page = tmp_path / "local_learning.md"
    report.write(page, "mnist_small", _entry(bsd=_method(0.5)))
    report.write(page, "digits", _entry(bsd=_method(0.6)))
    report.write(page, "mnist_small", _entry(bsd=_method(0.7)))
    text = page.read_text()
    assert [row for row in text.splitlines() if row.startswith("#")] == [
        "# Local learning rules",
        "## Digits, 64-64-10",
        "## MNIST, 784-256-10",
    ]
    assert "70.00" in text
    assert "50.00" not in text
    assert list(json.loads(page.with_suffix(".json").read_text())["tables"]) == ["digits", "mnist_small"]


def test_the_best_rate_is_of_no_training_that_diverged():
    assert trainings.best_rate({0.1: None, 0.2: 0.4, 0.3: 0.9, 0.4: 0.8}, lower_is_better=False) == 0.3
    assert trainings.best_rate({0.1: None, 0.2: 0.4, 0.3: 0.9}, lower_is_better=True) == 0.2
    assert trainings.best_rate({0.1: None, 0.2: None}, lower_is_better=True) == 0.1


def test_a_result_with_other_settings_does_not_count(tmp_path, monkeypatch):
    trained = []

    def answer(action, cases):
        trained.extend(case["epochs"] for case in cases)
        return [{"score": 0.5} for _ in cases]

    monkeypatch.setattr(trainings, "in_own_process", answer)
    case = {"seed": 0, "learning_rate": 0.1, "held_out": False}
    for epochs in (1, 1, 2):
        own = trainings.Trainings(tmp_path, {"table": "digits"})
        (result,) = own.results("dfa", [{**case, "epochs": epochs}])
        assert result["score"] == 0.5
    assert trained == [1, 2]
    without_time = trainings.Trainings(tmp_path, {"table": "digits"}, max_minutes=0)
    assert without_time.results("dfa", [{**case, "epochs": 3}]) == []


def test_a_failed_training_is_not_repeated_and_has_a_reason(tmp_path, monkeypatch, capsys):
    def fail(action, cases):
        raise RuntimeError("Traceback\nValueError: no such stage")

    monkeypatch.setattr(trainings, "in_own_process", fail)
    own = trainings.Trainings(tmp_path, {})
    measured = trainings.measure("dfa", own, [0.1, 0.2], {}, {}, seeds=2, lower_is_better=False)
    assert measured == {"validation": {}, "tests": []}
    assert own.failures == {"dfa": "ValueError: no such stage"}
    assert "dfa failed:" in capsys.readouterr().err


def test_the_last_tenth_of_the_training_samples_is_held_out():
    arrays = {name: np.arange(count) for name, count in (("x_train", 40), ("y_train", 40), ("x_test", 5))}
    arrays["y_test"] = arrays["x_test"]
    (x, y), (x_held_out, y_held_out) = measure._split({"samples": 20, "held_out": True}, arrays)
    assert x.tolist() == y.tolist() == list(range(18))
    assert x_held_out.tolist() == y_held_out.tolist() == [18, 19]
    (x, _), test = measure._split({"samples": None, "held_out": False}, arrays)
    assert len(x) == 40
    assert [len(values) for values in test] == [5, 5]


@pytest.fixture
def small_forecaster(monkeypatch):
    """The table of a forecaster, with a short window and few neurons."""
    monkeypatch.setattr(measure, "WINDOW", 6)
    arguments = {"units": (5, 4), "delays": 2, "timesteps": 2}
    monkeypatch.setitem(
        tables.TABLES, "mackey_glass", tables.TABLES["mackey_glass"]._replace(arguments=arguments)
    )
    monkeypatch.setattr(measure, "_with_sizes", lambda arguments, size: arguments)


@pytest.mark.slow
def test_prepares_data_and_methods(small_forecaster, tmp_path):
    audited = ["bsd", "backprop", "fa"]
    case = {"data": str(tmp_path / "data.npz"), "data_dir": None, "samples": 30, "methods": audited}
    known = measure.prepare({"table": "mackey_glass", **case})
    assert list(known["methods"]) == ["bsd", "bsd_readouts", *keras_bsd.baselines.list_methods()]
    assert known["methods"]["fa"]["obstacle"] == "stage 'recurrent_1' is recurrent"
    local = {name for name, method in known["methods"].items() if method["local"]}
    assert {"bsd", "dfa", "decolle"} <= local
    assert "backprop" not in local
    assert set(known["methods"]["backprop"]["criteria"].values()) == {"fails"}
    assert "fails" not in known["methods"]["bsd"]["criteria"].values()
    assert {name for name, method in known["methods"].items() if "criteria" in method} == {"bsd", "backprop"}
    with np.load(tmp_path / "data.npz") as file:
        assert file["x_train"].shape == (30, 6, 1)
    assert known["samples"]["train"] == 30


@pytest.mark.slow
def test_trains_a_forecaster(small_forecaster, tmp_path):
    arrays = measure._load(tables.TABLES["mackey_glass"], None)
    np.savez(tmp_path / "data.npz", **{name: values[:30] for name, values in arrays.items()})
    case = {"data": str(tmp_path / "data.npz"), "samples": 30}
    case |= {"table": "mackey_glass", "method": "dfa", "seed": 0, "learning_rate": 0.01, "epochs": 1}
    results = measure.train([{**case, "batch_size": 8, "held_out": held_out} for held_out in (True, False)])
    assert [result["memory"] is None for result in results] == [False, True]
    assert all(result["score"] > 0 for result in results)
    assert all(len(result["seconds"]) == 1 for result in results)


def test_local_readouts_have_the_weights_of_the_recipes(small_forecaster):
    digits = {"x_train": np.zeros((2, 8, 8, 1)), "y_test": np.arange(10)}
    series = {"x_train": np.zeros((2, 6, 1)), "y_test": np.zeros((2, measure.HORIZON, 1))}
    for table, arrays, weight in (("digits", digits, 1), ("mackey_glass", series, 100)):
        for name, expected in (("bsd", 0), ("bsd_readouts", weight)):
            pair = measure.build(name, tables.TABLES[table], arrays, seed=0)
            assert pair.local_readout_weight == expected


def test_every_rule_starts_from_the_weights_of_the_pair():
    arrays = {"x_train": np.zeros((2, 8, 8, 1)), "y_test": np.arange(10)}
    pair, rule = (measure.build(name, tables.TABLES["digits"], arrays, seed=1) for name in ("bsd", "dfa"))
    for first, second in zip(pair.encoder.weights, rule.encoder.weights, strict=True):
        np.testing.assert_array_equal(first, second)
    assert rule.stimulus_range == (0, 1)
