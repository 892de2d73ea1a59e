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
