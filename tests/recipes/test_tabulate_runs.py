import json
import re

import pytest

from tests.recipes.running import run


def write(folder, seed, scores, baselines=None, **changed):
    """Write a run's record, as far as its scores are concerned."""
    metrics = {
        "methods": {name: {"scores": values, "seconds": 10.0} for name, values in scores.items()},
        "flags": {"seed": seed, "epochs": 2, **changed},
        "backend": "jax",
        "command": "python applications/train_recognition.py --epochs=2",
    }
    if baselines:
        metrics["baselines"] = baselines
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def cells(output):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in output.splitlines()]


def test_mean_and_spread(tmp_path):
    folders = [
        write(tmp_path / "a", 0, {"rate": {"accuracy": 0.9}, "ann": {"accuracy": 0.5}}),
        write(tmp_path / "b", 1, {"rate": {"accuracy": 0.96}, "ann": {"accuracy": 0.5}}),
    ]
    done = run("tabulate_runs", *folders, "--digits=3")
    assert done.returncode == 0, done.stderr
    header, _, rate, ann, *_ = cells(done.stdout)
    assert header == ["", "accuracy", "seconds"]
    assert rate == ["rate", "0.930 ± 0.042", "10.000 ± 0.000"]
    assert ann == ["ann", "0.500 ± 0.000", "10.000 ± 0.000"]
    assert "Seeds 0, 1" in done.stdout
    assert done.stdout.endswith("python applications/train_recognition.py --epochs=2\n")


def test_baselines(tmp_path):
    scores = {"rate": {"mse": 0.25, "mse_by_step": [0.25]}}
    folder = write(tmp_path / "a", 0, scores, baselines={"ridge": {"mse": 0.5}})
    header, _, rate, ridge, *_ = cells(run("tabulate_runs", folder, "--digits=2").stdout)
    assert header == ["", "mse", "seconds"]
    assert [rate, ridge] == [["rate", "0.25", "10.00"], ["ridge", "0.50", ""]]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"seed": 1, "epochs": 3}, "seed alone. .* which differ in epochs"),
        ({"seed": 0}, "same seed more than once"),
        (None, "must hold a finished training run.*metrics.json is missing"),
    ],
)
def test_runs_that_cannot_be_compared(other, message, tmp_path):
    scores = {"rate": {"accuracy": 0.9}}
    folders = [write(tmp_path / "a", 0, scores), tmp_path / "b"]
    if other is not None:
        write(folders[1], scores=scores, **other)
    done = run("tabulate_runs", *folders)
    assert done.returncode != 0
    assert re.search(message, done.stdout + done.stderr)


def test_no_run():
    done = run("tabulate_runs")
    assert done.returncode != 0
    assert "Give the folders of one or several training runs" in done.stdout + done.stderr
