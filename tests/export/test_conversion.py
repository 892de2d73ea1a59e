"""The same files from every backend."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import keras
import onnx
import pytest

from keras_bsd.export import _conversion
from keras_bsd.layers import Readout, SpikingDense, SpikingStage

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


@pytest.mark.slow
@pytest.mark.parametrize("backend", OTHERS)
def test_other_backends(backend, tmp_path):
    """Custom layers are exported if their module can be imported."""
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
    outputs, *refusals = done.stdout.splitlines()[-2 if backend == OTHERS[0] else -1 :]
    outputs = json.loads(outputs)
    assert set(outputs) == {"scores", "spike_counts/first", "spike_counts/second"}
    assert outputs["scores"]["same"] == 1
    assert outputs["scores"]["largest_difference"] <= 1e-4
    assert sum(output.get("unexplained", 0) for output in outputs.values()) == 0
    assert all("own layers in a module that can be imported, and register them" in line for line in refusals)
    assert sorted(path.name for path in tmp_path.glob("*.onnx")) == ["network.onnx"]


REQUEST = {"outputs": ["scores"], "opset": 18, "streaming": False, "length": None}


def _network(*layers):
    stage = SpikingStage([keras.layers.Dense(3), *layers], timesteps=2, name="first")
    return keras.Sequential([keras.Input((4,)), stage, SpikingDense(3), Readout(keras.layers.Dense(2))])


class Unregistered(keras.layers.Layer):
    """A layer that is not registered, so that another process cannot rebuild it."""


@keras.saving.register_keras_serializable()
class Erfinv(keras.layers.Layer):
    def call(self, inputs):
        return keras.ops.erfinv(inputs)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a request; what the other process would do, this one does."""

    def run(command, **options):
        assert command[1] == "-c"
        assert options["env"]["KERAS_BACKEND"] == "tensorflow"
        _conversion.work(tmp_path)
        return subprocess.CompletedProcess(command, 0)

    if keras.config.backend() != "tensorflow":
        pytest.skip("the other process runs TensorFlow")
    monkeypatch.setattr(subprocess, "run", run)
    return tmp_path


def test_the_work_of_the_other_process(folder):
    proto = _conversion._convert_in_another_process(folder, _network(), REQUEST)
    onnx.checker.check_model(proto, full_check=True)
    assert [value.name for value in proto.graph.output] == ["scores"]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Unregistered,
            r"cannot be rebuilt in the process that converts it\. Received: .*Define your own layers in a",
        ),
        (Erfinv, "Layer 'first' cannot be exported: tf2onnx cannot convert its operation Erfinv"),
    ],
)
def test_the_other_process_passes_refusals_on(layer, message, folder):
    with pytest.raises(ValueError, match=message):
        _conversion._convert_in_another_process(folder, _network(layer()), REQUEST)


def test_the_other_process_fails(tmp_path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, stderr="out of memory")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(
        RuntimeError, match="process that converts the network on TensorFlow failed:\nout of memory"
    ):
        _conversion._convert_in_another_process(tmp_path, _network(), REQUEST)
