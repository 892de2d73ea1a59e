"""Training on the device, which needs JAX, whatever the backend of the tests."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.recipes.running import ROOT, run


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")
def test_an_interrupted_training_ends_as_a_whole_one(tmp_path):
    """Order of samples and augmentation follow from seed and epoch, and a backup holds all of the state."""
    command = [sys.executable, "-m", "tests.recipes.on_device_worker", str(tmp_path)]
    # Compiling takes most of the time.
    settings = {"KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Epoch 3/3: accuracy" in done.stdout
    whole, interrupted = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("whole", "interrupted")
    )
    del whole["seconds"], interrupted["seconds"]
    assert whole == interrupted
    assert whole["epoch"] == [0, 1, 2]
    assert whole["accuracy"][-1] > whole["accuracy"][0] + 0.1
    assert whole["val_accuracy"][-1] == pytest.approx(whole["evaluated"])
    with np.load(tmp_path / "whole.npz") as first, np.load(tmp_path / "interrupted.npz") as second:
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")
def test_trains_by_a_rule(tmp_path):
    flags = ["--method=ottt", "--units=24", "--timesteps=2", "--epochs=6", "--on_device"]
    command = [sys.executable, "applications/train_recognition.py", *flags, f"--output_dir={tmp_path}"]
    settings = {"KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads((tmp_path / "metrics.json").read_text())["methods"].values()
    assert result["scores"]["accuracy"] > 0.5
    assert len(result["history"]["loss"]) == 6


@pytest.mark.skipif(keras.config.backend() == "jax", reason="the error of other backends")
def test_another_backend_is_named(tmp_path):
    done = run("train_recognition", "--on_device", f"--output_dir={tmp_path}")
    assert done.returncode
    assert "--on_device=True: needs KERAS_BACKEND=jax in the environment" in done.stdout + done.stderr
