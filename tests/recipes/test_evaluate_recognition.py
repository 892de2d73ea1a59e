import json
import re

import keras
import pytest

from tests.recipes.running import run

pytestmark = pytest.mark.xdist_group("digits_run")


@pytest.fixture(scope="module")
def evaluation(digits_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    flags = [f"--model={digits_run.folder / 'rate.keras'}", f"--baseline={digits_run.folder / 'ann.keras'}"]
    done = run("evaluate_recognition", *flags, "--max_timesteps=3", f"--output_dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def networks(folder):
    return json.loads((folder / "evaluation.json").read_text())["networks"]


@pytest.mark.parametrize("name", ["rate", "ann"])
def test_measures(name, evaluation, digits_run, digits):
    results = networks(evaluation[0])[name]
    _, (x, y) = digits
    model = keras.saving.load_model(digits_run.folder / f"{name}.keras")
    predictions = model.predict(x, verbose=0).argmax(axis=1)
    assert results["predictions"] == predictions.tolist()
    assert results["accuracy"] == pytest.approx((predictions == y).mean())
    assert sum(row["samples"] for row in results["calibration"]["bins"]) == len(y)
    assert results["classes"]["3"]["recall"] == pytest.approx((predictions[y == 3] == 3).mean())
    for kind, curve in results["robustness"].items():
        assert curve["0.0"] == results["accuracy"], kind
        assert list(curve.values())[-1] < results["accuracy"], kind
        assert len(curve) == 6


def test_measures_spiking_networks(evaluation):
    spiking, ann = (networks(evaluation[0])[name] for name in ("rate", "ann"))
    assert list(spiking["timesteps"]) == ["1", "2", "3"]
    assert spiking["timesteps"]["2"] == spiking["accuracy"] > spiking["timesteps"]["1"]
    assert "dropped_spikes" in spiking["robustness"]
    assert "dropped_spikes" not in ann["robustness"]


def test_writes_tables_and_pictures(evaluation):
    folder, output = evaluation
    page = (folder / "evaluation.md").read_text()
    assert re.search(rf"\| accuracy, % +\| {100 * networks(folder)['rate']['accuracy']:.2f} +\|", page)
    for picture in ("confusion.png", "curves.png"):
        assert (folder / picture).stat().st_size > 10_000
        assert str(folder / picture) in output
