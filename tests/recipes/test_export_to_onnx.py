import json
import os
import subprocess
import sys

import keras
import numpy as np
import onnxruntime
import pytest

import keras_bsd
from tests.export.networks import lively
from tests.recipes.running import ROOT, run


def export(*flags):
    return run("export_to_onnx", *map(str, flags))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The path of a saved pair that takes digits."""
    path = tmp_path_factory.mktemp("saved") / "digits.keras"
    model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(24, 16))
    lively(model.encoder)
    model.save(path)
    return path


def test_exports_and_compares(saved, digits):
    report = saved.with_name("report.json")
    done = export(f"--model={saved}", f"--report={report}")
    assert done.returncode == 0, done.stderr
    path = saved.with_suffix(".onnx")
    first, scores, *counts = done.stdout.splitlines()
    assert first.startswith(str(path))
    assert first.endswith("compared with Keras on 360 test samples")
    assert "scores: largest difference" in scores
    assert [line.split()[0] for line in counts] == ["spike_counts/dense_1:", "spike_counts/dense_2:"]
    assert all("0 differ otherwise" in line for line in counts)
    report = json.loads(report.read_text())
    assert report["samples"] == 360
    assert report["outputs"]["scores"]["same"] == 1
    assert report["versions"]["keras_bsd"] == keras_bsd.__version__
    session = onnxruntime.InferenceSession(path)
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["labels"]) == [str(digit) for digit in range(10)]
    assert json.loads(metadata["preprocess"]) == [0, 255]
    (scores,) = session.run(["scores"], {"stimulus": digits[1][0]})
    expected = keras.saving.load_model(saved).predict(digits[1][0], verbose=0)
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.slow
def test_prints_nothing_but_its_own_lines(saved):
    """In a process that imports TensorFlow anew."""
    command = [sys.executable, "export/export_to_onnx.py", f"--model={saved}", "--samples=8"]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert len(done.stdout.splitlines()) == 4


@pytest.mark.parametrize("precision", ["float16", pytest.param("int8", marks=pytest.mark.slow)])
def test_precision(precision, saved, tmp_path):
    path = tmp_path / "small.onnx"
    flags = ["--samples=20", "--outputs=scores", f"--precision={precision}"]
    done = export(f"--model={saved}", f"--output={path}", *flags)
    assert done.returncode == 0, done.stderr
    assert "scores: largest difference" in done.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["small.onnx"]


def test_failed_compression_writes_no_file(saved, tmp_path):
    path = tmp_path / "small.onnx"
    done = export(f"--model={saved}", f"--output={path}", "--streaming", "--precision=int8")
    assert done.returncode == 1
    assert 'Choose precision="int8_weights"' in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_preset(tmp_path):
    """Compared on another series with as many variables, since its own data must be downloaded."""
    series = tmp_path / "series.csv"
    values = np.random.default_rng(0).normal(size=(400, 7)).cumsum(axis=0)
    np.savetxt(series, values, delimiter=",")
    path = tmp_path / "hourly.onnx"
    done = export(
        "--model=etth1_hourly", f"--dataset={series}", f"--output={path}", "--samples=8", "--streaming"
    )
    assert done.returncode == 0, done.stderr
    metadata = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["preset"]) == "etth1_hourly"


def test_unknown_model():
    done = export("--model=nothing")
    assert done.returncode == 1
    assert "Received: name='nothing'" in done.stderr


def test_text(tmp_path):
    model = keras_bsd.applications.SpikingCharRNN("ab\n", units=(8,), delays=2)
    lively(model.encoder)
    model.save(tmp_path / "text.keras")
    (tmp_path / "text.txt").write_text("abba\nab\n" * 60)
    done = export(f"--model={tmp_path / 'text.keras'}", "--length=4", f"--dataset={tmp_path / 'text.txt'}")
    assert done.returncode == 0, done.stderr
    assert "100.0000% equal" in done.stdout
    (tmp_path / "text.csv").write_text("0,1,1,0\n2,2,0,1\n")
    served = run("serve_onnxruntime", str(tmp_path / "text.onnx"), str(tmp_path / "text.csv"), "--json")
    assert served.returncode == 0, served.stderr
    first, _ = map(json.loads, served.stdout.splitlines())
    expected = model.predict(model.encode("abba")[None], verbose=0)[0, -1]
    assert first["labels"] == ["ab\n"[expected.argmax()]]
    assert first["scores"] == pytest.approx([expected.max()], abs=1e-4)


@pytest.mark.parametrize("flags", [[], pytest.param(["--streaming"], marks=pytest.mark.slow)])
def test_forecaster(flags, tmp_path):
    model = keras_bsd.applications.SpikingForecaster(4, 2, 1, units=(8,), delays=2)
    lively(model.encoder)
    model.save(tmp_path / "series.keras")
    done = export(f"--model={tmp_path / 'series.keras'}", "--samples=20", *flags)
    assert done.returncode == 0, done.stderr
    assert "compared with Keras on 20 test samples" in done.stdout
    assert "0 differ otherwise" in done.stdout
