import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_bsd
from tests.recipes.running import run

SMALL = ["--units=8", "--delays=3", "--timesteps=2", "--batch_size=32"]


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forecaster")
    t = np.arange(240)
    series = folder / "waves.csv"
    np.savetxt(series, np.stack([np.sin(0.3 * t), np.cos(0.2 * t)], axis=1), delimiter=",")
    flags = [*SMALL, f"--dataset={series}", "--window=8", "--horizon=2", "--epochs=2"]
    done = run("train_regression", *flags, "--rule=rate,readouts,reservoir", f"--output_dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder, series, done.stdout


@pytest.mark.xdist_group("forecaster")
def test_trains_a_forecaster_and_tells(forecaster):
    folder, series, told = forecaster
    found = metrics(folder)
    assert list(found["test"]) == ["rate", "readouts", "reservoir", "persistence", "ridge"]
    arguments = {"window": 8, "horizon": 2, "variables": 2, "delays": 3, "timesteps": 2, "units": [8]}
    assert found["arguments"] == {**arguments, "normalization": "instance"}
    assert f"BSD: MSE {found['test']['rate']['mse']:.5f}" in told
    parts = keras_bsd.datasets.standardized_splits(keras_bsd.datasets.load_series(series), 8, 2)
    x, y = keras_bsd.datasets.windows(parts[2], 8, 2)
    errors = keras.saving.load_model(folder / "rate.keras").predict(x, verbose=0) - y
    assert found["test"]["rate"]["mse"] == pytest.approx(np.mean(errors**2), rel=1e-4)
    assert found["test"]["rate"]["mae_by_step"] == pytest.approx(np.abs(errors).mean(axis=(0, 2)), rel=1e-4)
    validation = keras_bsd.datasets.windows(parts[1], 8, 2)
    width = np.sort(np.abs(validation[0][:, -1:] - validation[1]), axis=0)[
        int(np.ceil(0.9 * (len(validation[0]) + 1))) - 1
    ]
    persistence = found["test"]["persistence"]
    assert persistence["interval_width"] == pytest.approx(width.mean(), rel=1e-4)
    assert persistence["covered"] == pytest.approx((np.abs(x[:, -1:] - y) <= width).mean(), abs=1e-6)
    held = np.mean((x[:, -1:] - y) ** 2)
    assert found["test"]["persistence"]["mse"] == pytest.approx(held, rel=1e-4)
    assert found["test"]["ridge"]["mse"] < 0.01 * held  # two waves obey a linear recursion
    untrained, trained = (
        keras.saving.load_model(folder / f"{rule}.keras", compile=False) for rule in ("reservoir", "rate")
    )
    keras.utils.set_random_seed(0)
    fresh = keras_bsd.applications.SpikingForecaster(**found["arguments"]).encoder
    same = [
        np.array_equal(model.get_layer("recurrent_1").get_weights()[0], fresh.layers[2].get_weights()[0])
        for model in (untrained, trained.encoder)
    ]
    assert same == [True, False]
    for picture in ("report.png", "loss.png"):
        assert (folder / picture).stat().st_size > 10_000


@pytest.mark.xdist_group("forecaster")
def test_evaluates_a_forecaster_and_makes_a_preset(forecaster, tmp_path):
    folder, series, _ = forecaster
    flags = [f"--model={folder / 'rate.keras'}", f"--baseline={folder / 'reservoir.keras'}"]
    done = run("evaluate_regression", *flags, f"--dataset={series}", f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "evaluation.json").read_text())["scores"]
    for rule in ("rate", "reservoir", "persistence", "ridge"):
        assert scores[rule]["mse"] == pytest.approx(metrics(folder)["test"][rule]["mse"], rel=1e-4)
    page = (tmp_path / "evaluation.md").read_text()
    assert re.search(rf"\| rate +\| {scores['rate']['mse']:.5f} +\|", page)
    assert (tmp_path / "report.png").stat().st_size > 10_000

    done = run("make_preset", f"--run={folder}", "--name=waves", f"--output_dir={tmp_path / 'presets'}")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "presets" / "waves.json").read_text())
    assert record["task"] == "forecast"
    assert record["test_mse"] == pytest.approx(scores["rate"]["mse"], rel=1e-2)
    loads = f"""
import keras_bsd
keras_bsd.applications.presets.FOLDER = __import__("pathlib").Path({str(tmp_path / "presets")!r})
keras_bsd.applications.list_presets()
print(keras_bsd.applications.SpikingForecaster(weights="waves").encoder.output_shape)
"""
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True)
    _, row, shape = done.stdout.splitlines()
    assert f"MSE {record['test_mse']:.4f}" in row
    assert shape == "(None, 2, 2)"


def test_trains_and_evaluates_a_character_model(tmp_path):
    text = tmp_path / "play.txt"
    text.write_text("to be or not to be. " * 60, encoding="utf-8")
    flags = [*SMALL, "--task=text", f"--dataset={text}", "--window=8", "--epochs=1", "--batch_size=8"]
    done = run("train_regression", *flags, "--rule=rate", f"--output_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    found = metrics(tmp_path / "run")
    assert found["arguments"]["alphabet"] == "".join(sorted({*"to be or not to be. "}))
    assert f"{found['test']['rate']['accuracy']:.2%}" in done.stdout
    assert 0 < found["test"]["bigrams"]["accuracy"] < 1
    assert len((tmp_path / "run" / "sample.txt").read_text()) == 400 + 60
    model = f"--model={tmp_path / 'run' / 'rate.keras'}"
    where = f"--output_dir={tmp_path / 'evaluation'}"
    flags = [model, f"--dataset={text}", where, "--window=8", "--length=20", "--prompt=to b"]
    done = run("evaluate_regression", *flags)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "evaluation" / "sample.txt").read_text()) == 24
    scores = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())["scores"]
    assert scores["rate"]["accuracy"] == pytest.approx(found["test"]["rate"]["accuracy"], abs=1e-6)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset=missing.csv"], "There is no such file; the names of sets are 'mackey_glass'"),
        (["--horizon=0"], "--horizon"),
        (["--rule=bsd"], "of rate, readouts, surrogate, backprop, reservoir"),
        (["--window=4000"], "Take a shorter window or horizon"),
        (["--units=0"], "Received: units=0"),
        (["--rule=readouts", "--local_readout_weight=0"], "rule rate is the same without local readouts"),
    ],
)
def test_bad_flags(flags, message, tmp_path):
    done = run("train_regression", *flags, f"--output_dir={tmp_path}")
    assert done.returncode
    assert message in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())
