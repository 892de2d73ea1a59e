import json
import re

import keras
import pytest

from tests.recipes.running import run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    flags = ["--rule=rate,ann", "--units=64,48", "--epochs=4", f"--output_dir={folder}"]
    done = run("train_recognition", *flags)
    assert done.returncode == 0, done.stderr
    return folder


def test_measures_draws_and_tells(trained, tmp_path, digits):
    flags = [f"--model={trained / 'rate.keras'}", f"--baseline={trained / 'ann.keras'}", "--most_timesteps=5"]
    done = run("evaluate_recognition", *flags, f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    networks = json.loads((tmp_path / "evaluation.json").read_text())["networks"]
    _, (x, y) = digits
    for name, found in networks.items():
        model = keras.saving.load_model(trained / f"{name}.keras")
        decided = model.predict(x, verbose=0).argmax(axis=1)
        assert found["decided"] == decided.tolist()
        assert found["accuracy"] == pytest.approx((decided == y).mean())
        assert sum(row["samples"] for row in found["calibration"]["bins"]) == len(y)
        assert found["classes"]["3"]["recall"] == pytest.approx((decided[y == 3] == 3).mean())
        for kind, curve in found["robustness"].items():
            assert curve["0.0"] == found["accuracy"], kind
            assert list(curve.values())[-1] < found["accuracy"], kind
            assert len(curve) == 6
    spiking = networks["rate"]
    assert list(spiking["timesteps"]) == ["1", "2", "3", "4", "5"]
    assert spiking["timesteps"]["4"] == spiking["accuracy"] > spiking["timesteps"]["1"]
    assert "dropped spikes" in spiking["robustness"]
    assert "dropped spikes" not in networks["ann"]["robustness"]
    page = (tmp_path / "evaluation.md").read_text()
    assert re.search(rf"\| accuracy, % +\| {100 * spiking['accuracy']:.2f} +\|", page)
    for picture in ("confusion.png", "curves.png"):
        assert (tmp_path / picture).stat().st_size > 10_000
        assert str(tmp_path / picture) in done.stdout
