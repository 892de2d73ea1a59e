import json
import subprocess
import sys

import keras
import pytest


def run(rootpath, *flags):
    command = [sys.executable, "applications/train_recognition.py", *flags]
    return subprocess.run(command, cwd=rootpath, capture_output=True, text=True)


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_trains_draws_and_saves(network, pytestconfig, tmp_path, digits):
    flags = ["--epochs=2", "--units=64,48", f"--network={network}", f"--output_dir={tmp_path}"]
    if network == "conv":
        flags.append("--nobaseline")
    done = run(pytestconfig.rootpath, *flags)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    summary = done.stdout.splitlines()[-4 - (network == "mlp") :]
    assert summary[0].startswith(f"BSD: {metrics['test_accuracy']['BSD']:.2%} of 360 test samples")
    for name, line in zip(("report.png", "model.keras", "metrics.json"), summary[-3:], strict=True):
        assert str(tmp_path / name) in line
        assert (tmp_path / name).stat().st_size > 100
    assert ("backpropagation" in metrics["test_accuracy"]) == (network == "mlp")
    assert metrics["flags"]["epochs"] == 2
    model = keras.saving.load_model(tmp_path / "model.keras")
    accuracy = model.evaluate(*digits[1], verbose=0, return_dict=True)["accuracy"]
    assert accuracy == pytest.approx(metrics["test_accuracy"]["BSD"])


def test_unknown_data(pytestconfig, tmp_path):
    done = run(pytestconfig.rootpath, "--dataset=dgits", f"--output_dir={tmp_path}")
    assert done.returncode
    assert "Unknown data set; there are 'digits'" in done.stderr
    assert not list(tmp_path.iterdir())
