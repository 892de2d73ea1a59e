import json
import pathlib
import re
from typing import NamedTuple

import keras
import numpy as np
import pytest

import keras_bsd
from tests.recipes.running import loaded, run

SMALL = ["--units=8", "--delays=3", "--timesteps=2", "--batch_size=32"]


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def scores(folder):
    """Return the scores of a run's methods and baselines."""
    record = metrics(folder)
    return {method: result["scores"] for method, result in record["methods"].items()} | record["baselines"]


class Forecaster(NamedTuple):
    """A training run on two waves."""

    folder: pathlib.Path
    series: pathlib.Path
    output: str

    def windows(self):
        """Return windows of the three splits, and what follows each."""
        series = keras_bsd.datasets.load_series(self.series)
        splits = keras_bsd.datasets.standardized_splits(series, 8, 2)
        return [keras_bsd.datasets.windows(split, 8, 2) for split in splits]


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory):
    return train("rate", tmp_path_factory.mktemp("forecaster"))


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    return train("readouts,frozen", tmp_path_factory.mktemp("compared"))


def train(methods, folder):
    t = np.arange(240)
    series = folder / "waves.csv"
    np.savetxt(series, np.stack([np.sin(0.3 * t), np.cos(0.2 * t)], axis=1), delimiter=",")
    flags = [*SMALL, f"--dataset={series}", "--window=8", "--horizon=2", "--epochs=2"]
    done = run("train_regression", *flags, f"--method={methods}", f"--output_dir={folder}")
    assert done.returncode == 0, done.stderr
    return Forecaster(folder, series, done.stdout)


@pytest.mark.xdist_group("forecaster")
@pytest.mark.parametrize(
    ("run_name", "titles"),
    [
        ("forecaster", {"rate": "BSD"}),
        pytest.param(
            "compared",
            {"readouts": "BSD with local readouts", "frozen": "frozen stages, trained readout"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_trains_forecasters(run_name, titles, request):
    trained = request.getfixturevalue(run_name)
    found = scores(trained.folder)
    assert list(found) == [*titles, "persistence", "ridge"]
    arguments = {"window": 8, "horizon": 2, "variables": 2, "delays": 3, "timesteps": 2, "units": [8]}
    assert metrics(trained.folder)["arguments"] == {**arguments, "normalization": "instance"}
    for method, title in titles.items():
        assert f"{title}: MSE {found[method]['mse']:.5f}" in trained.output
    for picture in ("report.png", "loss.png"):
        assert (trained.folder / picture).stat().st_size > 10_000


@pytest.mark.xdist_group("forecaster")
def test_scores_of_a_forecaster(forecaster):
    _, _, (x, y) = forecaster.windows()
    errors = keras.saving.load_model(forecaster.folder / "rate.keras").predict(x, verbose=0) - y
    rate = scores(forecaster.folder)["rate"]
    assert rate["mse"] == pytest.approx(np.mean(errors**2), rel=1e-4)
    assert rate["mae_by_step"] == pytest.approx(np.abs(errors).mean(axis=(0, 2)), rel=1e-4)


@pytest.mark.xdist_group("forecaster")
def test_scores_of_baselines(forecaster):
    _, (x_validation, y_validation), (x, y) = forecaster.windows()
    width = np.sort(np.abs(x_validation[:, -1:] - y_validation), axis=0)[
        int(np.ceil(0.9 * (len(x_validation) + 1))) - 1
    ]
    found = scores(forecaster.folder)
    persistence, mse = found["persistence"], np.mean((x[:, -1:] - y) ** 2)
    assert persistence["interval_width"] == pytest.approx(width.mean(), rel=1e-4)
    assert persistence["coverage"] == pytest.approx((np.abs(x[:, -1:] - y) <= width).mean(), abs=1e-6)
    assert persistence["mse"] == pytest.approx(mse, rel=1e-4)
    assert found["ridge"]["mse"] < 0.01 * mse  # two waves obey a linear recursion


@pytest.mark.slow
@pytest.mark.xdist_group("forecaster")
def test_frozen_stages(forecaster, compared):
    frozen = keras.saving.load_model(compared.folder / "frozen.keras", compile=False)
    trained = keras.saving.load_model(forecaster.folder / "rate.keras", compile=False)
    keras.utils.set_random_seed(0)
    arguments = metrics(forecaster.folder)["arguments"]
    fresh = keras_bsd.applications.SpikingForecaster(**arguments).encoder
    same = [
        np.array_equal(model.get_layer("recurrent_1").get_weights()[0], fresh.layers[2].get_weights()[0])
        for model in (frozen, trained.encoder)
    ]
    assert same == [True, False]


@pytest.mark.xdist_group("forecaster")
@pytest.mark.parametrize("baseline", [None, pytest.param("frozen", marks=pytest.mark.slow)])
def test_evaluates_forecasters(baseline, forecaster, request, tmp_path):
    folder, series, _ = forecaster
    expected, flags = scores(folder), [f"--model={folder / 'rate.keras'}", f"--dataset={series}"]
    if baseline:
        other = request.getfixturevalue("compared").folder
        expected[baseline] = scores(other)[baseline]
        flags.append(f"--baseline={other / f'{baseline}.keras'}")
    done = run("evaluate_regression", *flags, f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    evaluated = json.loads((tmp_path / "evaluation.json").read_text())["scores"]
    assert set(evaluated) == set(expected)
    for name, values in evaluated.items():
        assert values["mse"] == pytest.approx(expected[name]["mse"], rel=1e-4)
    page = (tmp_path / "evaluation.md").read_text()
    assert re.search(rf"\| rate +\| {evaluated['rate']['mse']:.5f} +\|", page)
    assert (tmp_path / "report.png").stat().st_size > 10_000


@pytest.mark.xdist_group("forecaster")
def test_makes_a_preset(forecaster, tmp_path):
    done = run("make_preset", f"--run={forecaster.folder}", "--name=waves", f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "waves.json").read_text())
    assert record["task"] == "forecast"
    assert record["test_mse"] == pytest.approx(scores(forecaster.folder)["rate"]["mse"], rel=1e-2)
    assert list(record["training"]["compared_with"]) == ["persistence", "ridge"]
    model = keras_bsd.applications.load_preset(tmp_path / "waves.json")
    assert model.encoder.output_shape == (None, 2, 2)


@pytest.mark.slow
def test_trains_and_evaluates_a_character_model(tmp_path):
    text = tmp_path / "play.txt"
    text.write_text("to be or not to be. " * 60, encoding="utf-8")
    flags = [*SMALL, "--task=text", f"--dataset={text}", "--window=8", "--epochs=1", "--batch_size=8"]
    done = run("train_regression", *flags, "--method=rate", f"--output_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    found = scores(tmp_path / "run")
    assert metrics(tmp_path / "run")["arguments"]["alphabet"] == "".join(sorted({*"to be or not to be. "}))
    assert f"{found['rate']['accuracy']:.2%}" in done.stdout
    assert 0 < found["bigrams"]["accuracy"] < 1
    assert len((tmp_path / "run" / "sample.txt").read_text()) == 400 + 60
    flags = [f"--model={tmp_path / 'run' / 'rate.keras'}", f"--dataset={text}", "--window=8", "--length=20"]
    done = run("evaluate_regression", *flags, "--prompt=to b", f"--output_dir={tmp_path / 'evaluation'}")
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "evaluation" / "sample.txt").read_text()) == 24
    evaluated = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())["scores"]
    assert evaluated["rate"]["accuracy"] == pytest.approx(found["rate"]["accuracy"], abs=1e-6)


def test_rules_start_from_the_weights_of_the_pair(tmp_path):
    with loaded("train_regression", *SMALL, "--window=8", "--horizon=2") as recipe:
        task = recipe.load_task()
        names = set(keras_bsd.baselines.list_methods()) - {"spatial", "ottt", "fa"}
        assert names <= set(recipe.METHODS)
        assert recipe.METHODS["eprop"].title == "e-prop with random feedback"
        pair, *rules = (recipe.build(method, task) for method in ("bsd", "dfa", "decolle", "eprop"))
    assert type(pair) is keras_bsd.BSDForecastModel
    assert (pair.rule, pair.local_readout_weight) == ("rate", 0)
    expected = ["DirectFeedbackAlignment", "DECOLLE", "EProp"]
    assert [type(rule).__name__ for rule in rules] == expected
    for rule in rules:
        for first, second in zip(pair.encoder.weights, rule.encoder.weights, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_trains_by_rules(tmp_path):
    methods = ["bsd", "dfa", "eprop"]
    trained = train(",".join(methods), tmp_path)
    found = scores(tmp_path)
    assert list(found) == [*methods, "persistence", "ridge"]
    _, _, (x, y) = trained.windows()
    for method in methods:
        errors = keras.saving.load_model(tmp_path / f"{method}.keras").predict(x, verbose=0) - y
        assert found[method]["mse"] == pytest.approx(np.mean(errors**2), rel=1e-4)
    assert "e-prop with random feedback: MSE" in trained.output
    assert len({result["parameters"] for result in metrics(tmp_path)["methods"].values()}) == 1


@pytest.mark.slow
def test_trains_a_character_model_by_a_rule(tmp_path):
    text = tmp_path / "play.txt"
    text.write_text("to be or not to be. " * 60, encoding="utf-8")
    flags = [*SMALL, "--task=text", f"--dataset={text}", "--window=8", "--epochs=1", "--batch_size=8"]
    flags += ["--units=24", "--method=lls"]  # codes of all characters differ over 24 neurons
    done = run("train_regression", *flags, f"--output_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert 0 < scores(tmp_path / "run")["lls"]["accuracy"] < 1
    assert not (tmp_path / "run" / "sample.txt").exists()  # only pairs generate


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset=missing.csv"], "must be one of 'mackey_glass'"),
        (["--horizon=0"], "--horizon"),
        (["--method=fa"], "of bsd, rate, readouts, surrogate, backprop, frozen, dfa, decolle, local_readouts"),
        (["--method=rate,lls"], "Rule 'lls' cannot train this encoder: the rule needs classes"),
        (["--window=4000"], "Choose a shorter window or horizon"),
        (["--units=0"], "Received: units=0"),
        (["--method=readouts", "--local_readout_weight=0"], "method rate is the same without local readouts"),
    ],
)
def test_bad_flags(flags, message, tmp_path):
    done = run("train_regression", *flags, f"--output_dir={tmp_path}")
    assert done.returncode
    assert message in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())
