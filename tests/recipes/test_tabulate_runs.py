import json
import re

import pytest

from tests.recipes.running import run


def write(folder, seed, scores, **changed):
    """A run as the training recipes leave it, as far as its scores are concerned."""
    metrics = {
        "test_accuracy": scores,
        "seconds": dict.fromkeys(scores, 10.0),
        "flags": {"seed": seed, "epochs": 2, **changed},
        "backend": "jax",
        "command": "python applications/train_recognition.py --epochs=2",
    }
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def cells(told):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in told.splitlines()]


def test_mean_and_spread(tmp_path):
    folders = [
        write(tmp_path / "a", 0, {"rate": 0.9, "ann": 0.5}),
        write(tmp_path / "b", 1, {"rate": 0.96, "ann": 0.5}),
    ]
    done = run("tabulate_runs", *folders, "--digits=3")
    assert done.returncode == 0, done.stderr
    header, _, rate, ann, *_ = cells(done.stdout)
    assert header == ["", "accuracy", "seconds"]
    assert rate == ["rate", "0.930 ± 0.042", "10.000 ± 0.000"]
    assert ann == ["ann", "0.500 ± 0.000", "10.000 ± 0.000"]
    assert "Seeds 0, 1" in done.stdout
    assert done.stdout.endswith("python applications/train_recognition.py --epochs=2\n")


def test_a_series(tmp_path):
    folder = write(tmp_path / "a", 0, {})
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["test_accuracy"]
    metrics["test"] = {"rate": {"mse": 0.25, "mse_by_step": [0.25]}, "ridge": {"mse": 0.5}}
    metrics["seconds"] = {"rate": 2.0}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    header, _, rate, ridge, *_ = cells(run("tabulate_runs", folder, "--digits=2").stdout)
    assert [header, rate, ridge] == [["", "mse", "seconds"], ["rate", "0.25", "2.00"], ["ridge", "0.50", ""]]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"seed": 1, "epochs": 3}, "seed alone. .* which differ in epochs"),
        ({"seed": 0}, "same seed more than once"),
        (None, "holds no run that has ended: .*metrics.json is missing"),
    ],
)
def test_runs_that_do_not_go_together(other, message, tmp_path):
    folders = [write(tmp_path / "a", 0, {"rate": 0.9}), tmp_path / "b"]
    if other is not None:
        write(folders[1], scores={"rate": 0.9}, **other)
    done = run("tabulate_runs", *folders)
    assert done.returncode != 0
    assert re.search(message, done.stdout + done.stderr)


def test_no_run():
    done = run("tabulate_runs")
    assert done.returncode != 0
    assert "Which runs?" in done.stdout + done.stderr
