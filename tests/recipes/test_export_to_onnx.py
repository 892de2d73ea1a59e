import json

import keras
import numpy as np
import onnxruntime
import pytest

import keras_bsd
from tests.export.networks import lively
from tests.recipes.running import run


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "digits.keras"
    model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(24, 16))
    lively(model.encoder)
    model.save(path)
    return path


def test_a_text(tmp_path):
    model = keras_bsd.applications.SpikingCharRNN("ab\n", units=(8,), delays=2)
    lively(model.encoder)
    model.save(tmp_path / "text.keras")
    (tmp_path / "text.txt").write_text("abba\nab\n" * 60)
    flags = ["--length=4", f"--dataset={tmp_path / 'text.txt'}"]
    done = run("export_to_onnx", f"--model={tmp_path / 'text.keras'}", *flags)
    assert done.returncode == 0, done.stderr
    assert "100.0000% the same" in done.stdout
    (tmp_path / "text.csv").write_text("0,1,1,0\n2,2,0,1\n")
    served = run("serve_onnxruntime", tmp_path / "text.onnx", str(tmp_path / "text.csv"), "--json")
    assert served.returncode == 0, served.stderr
    (first, _), expected = (
        map(json.loads, served.stdout.splitlines()),
        model.predict(model.encode("abba")[None]),
    )
    assert first["labels"] == ["ab\n"[expected[0, -1].argmax()]]
    assert first["scores"] == pytest.approx([expected[0, -1].max()], abs=1e-4)


@pytest.mark.parametrize("flags", [[], ["--streaming"]])
def test_a_forecaster(flags, tmp_path):
    model = keras_bsd.applications.SpikingForecaster(8, 3, 1, units=(8,), delays=2)
    lively(model.encoder)
    model.save(tmp_path / "series.keras")
    done = run("export_to_onnx", f"--model={tmp_path / 'series.keras'}", "--samples=20", *flags)
    assert done.returncode == 0, done.stderr
    assert "compared with Keras on 20 test samples" in done.stdout
    assert "0 otherwise" in done.stdout


def test_exports_and_compares(saved, digits):
    done = run("export_to_onnx", f"--model={saved}", f"--report={saved.with_name('report.json')}")
    assert done.returncode == 0, done.stderr
    path = saved.with_suffix(".onnx")
    first, scores, *counts = done.stdout.splitlines()[-4:]
    assert first.startswith(str(path))
    assert first.endswith("compared with Keras on 360 test samples")
    assert "scores: largest difference" in scores
    assert all("0 otherwise" in line for line in counts)
    report = json.loads(saved.with_name("report.json").read_text())
    assert report["samples"] == 360
    assert report["outputs"]["scores"]["same"] == 1
    session = onnxruntime.InferenceSession(path)
    stored = session.get_modelmeta().custom_metadata_map
    assert json.loads(stored["labels"]) == [str(digit) for digit in range(10)]
    assert json.loads(stored["preprocess"]) == [0, 255]
    (scores,) = session.run(["scores"], {"stimulus": digits[1][0]})
    expected = keras.saving.load_model(saved).predict(digits[1][0], verbose=0)
    np.testing.assert_allclose(scores, expected, atol=1e-4)
