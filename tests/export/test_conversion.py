"""The same files from every backend."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

OTHERS = [name for name in ("jax", "torch") if importlib.util.find_spec(name)]

OWN_LAYER = """
import keras
@keras.saving.register_keras_serializable()
class {name}(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs
"""

EXPORT = """
import json, sys, keras
from keras_bsd.export import check_onnx, export_onnx
from keras_bsd.layers import Readout, SpikingConv2D, SpikingStage
from own_layer import Twice
from tests.export.networks import lively, stimuli

def network(own):
    return lively(keras.Sequential([
        keras.Input((6, 6, 2)),
        SpikingConv2D(4, pool_size=2, timesteps=3, name="first"),
        SpikingStage([keras.layers.Flatten(), keras.layers.Dense(5), own()], name="second"),
        Readout(keras.layers.Dense(3), "softmax")]))

model = network(Twice)
export_onnx(model, "network.onnx", outputs=("scores", "spike_counts"))
print(json.dumps(check_onnx(model, "network.onnx", stimuli(model, 20))["outputs"]))
"""

EXPORT_UNKNOWN = (
    OWN_LAYER.format(name="Unknown")
    + """
try:
    export_onnx(network(Unknown), "unknown.onnx")
except ValueError as error:
    print(error)
"""
)


@pytest.mark.parametrize("backend", OTHERS)
def test_other_backends(backend, tmp_path):
    """Layers of one's own come along where they can be imported."""
    (tmp_path / "own_layer.py").write_text(OWN_LAYER.format(name="Twice"))
    paths = f"{pathlib.Path(__file__).parents[2]}{os.pathsep}{tmp_path}"
    done = subprocess.run(
        [sys.executable, "-c", EXPORT + EXPORT_UNKNOWN * (backend == OTHERS[0])],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": paths},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    outputs, *refusal = done.stdout.splitlines()[-2 if backend == OTHERS[0] else -1 :]
    outputs = json.loads(outputs)
    assert set(outputs) == {"scores", "spike_counts/first", "spike_counts/second"}
    assert outputs["scores"]["same"] == 1
    assert outputs["scores"]["largest_difference"] <= 1e-4
    assert sum(output.get("unexplained", 0) for output in outputs.values()) == 0
    assert all("own layers in a module that can be imported, and register them" in line for line in refusal)
    assert sorted(path.name for path in tmp_path.glob("*.onnx")) == ["network.onnx"]
