"""What `import keras_bsd` loads, and what works where TensorFlow and optional packages are not installed."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import pytest

# What the library brings beside keras and numpy; keras itself loads some of them.
HEAVY = ("tensorflow", "tensorflow_datasets", "tf2onnx", "onnx", "onnxruntime", "pandas", "tabulate", "absl")
HEAVY += ("sklearn", "scipy", "matplotlib", "PIL", "nir", "tensorboard", "faery")

# Nothing of the library but ONNX export and TFDS may need TensorFlow on another backend.
WITHOUT_TENSORFLOW = """
import sys

for name in ("tensorflow", "tensorflow_datasets", "tf2onnx", "onnx"):
    sys.modules[name] = None  # importing them raises ImportError

import keras
import numpy as np

import keras_bsd

x = np.random.default_rng(0).random((24, 8, 8, 1), "float32")
y = np.arange(24) % 3
model = keras_bsd.applications.SpikingMLP((8, 8, 1), classes=3, units=(6, 5), timesteps=2)
model.compile(keras.optimizers.AdamW(6e-3), metrics=["accuracy"])
callbacks = [
    keras_bsd.callbacks.LayerAlignment(x[:8], y[:8]),
    keras_bsd.callbacks.FiringRateCheck(),
    keras_bsd.callbacks.EpochSeconds(),
    keras_bsd.callbacks.StimulusGrid("grids", log_dir="logs"),
]
model.fit(x, y, epochs=1, verbose=0, callbacks=callbacks)
model.save("pair.keras")
loaded = keras_bsd.applications.load_preset("pair.keras")
np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
print(keras_bsd.audit.plausibility(model, x[:8], y[:8]))
print(keras_bsd.audit.energy(model, x[:8]))
keras_bsd.export.to_nir(keras.Sequential([
    keras.Input((5,)),
    keras_bsd.layers.SpikingStage(keras.layers.Dense(4), timesteps=2),
    keras_bsd.layers.Readout(keras.layers.Dense(2)),
]), "network.nir")
forecaster = keras_bsd.applications.load_preset("etth1_hourly")
series = keras_bsd.datasets.load_series("mackey_glass").values[:48]
forecaster.streamer().push(np.tile(series[0], 7))
sizes = {"latent_units": 4, "timesteps": 2, "units": (6,), "concepts": 3}
autoencoder = keras_bsd.applications.SpikingAutoencoder((8, 8, 1), **sizes)
autoencoder.fit_prior(x, y)
keras_bsd.plots.stimuli(autoencoder.generate(3, seed=0)).savefig("generated.png")
for call in (
    lambda: keras_bsd.export.export_onnx(model, "network.onnx"),
    lambda: keras_bsd.datasets.load_images("mnist"),
):
    try:
        call()
    except ImportError as error:
        assert "pip install 'keras-bsd" in str(error), error
    else:
        raise AssertionError("an import should have failed")
"""


def run(program, folder, **environment):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning:keras_bsd", "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_import_loads_nothing_that_keras_does_not(tmp_path):
    loads = "import sys, json, keras; alone = [*sys.modules]; import keras_bsd"
    loads += "; print(json.dumps([alone, [*sys.modules]]))"
    alone, ours = json.loads(run(loads, tmp_path).stdout)
    assert "keras_bsd" in ours
    new = {name.split(".")[0] for name in {*ours} - {*alone}}
    assert not new & {*HEAVY}
    if keras.config.backend() != "tensorflow":
        assert "tensorflow" not in ours


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_need_no_tensorflow(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = run(WITHOUT_TENSORFLOW, tmp_path, KERAS_BACKEND=backend)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "grids" / "epoch-0001.png").exists()
    assert list((tmp_path / "logs").iterdir())
    assert (tmp_path / "network.nir").exists()
