"""Conversion to ONNX, by TensorFlow on every backend."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import keras

from keras_bsd._optional import require
from keras_bsd.export import _network
from keras_bsd.export._programs import whole
from keras_bsd.export._streaming import step

MODEL, REQUEST, GRAPH, REFUSAL = "model.keras", "request.json", "graph.onnx", "refusal.txt"


def require_onnx():
    """Return the package `onnx`."""
    return require("onnx", "Export to ONNX")


def convert(model, outputs, opset, streaming, length=None):
    """Return an ONNX model of the inference of `model`, for batches of any size.

    On other backends than TensorFlow a separate process rebuilds the network on TensorFlow.

    Args:
        model: built functional or Sequential Keras model.
        outputs: names, of `OUTPUTS`.
        opset: int.
        streaming: bool, whether the graph processes one time step or element in place of all.
        length: int, length of the sequences, for a network that takes sequences of any length.

    Raises:
        ValueError: a layer cannot be exported, or cannot be rebuilt in another process.
        ImportError: a package is not installed.
    """
    require_onnx()
    if keras.config.backend() == "tensorflow":
        require("tf2onnx", "Export to ONNX")
        from keras_bsd.export import _tensorflow

        program = step(model, outputs) if streaming else whole(model, outputs, length)
        return _tensorflow.convert(model, program, opset)
    _require_for_another_process("tensorflow", "tf2onnx")
    request = {"outputs": list(outputs), "opset": opset, "streaming": streaming, "length": length}
    with tempfile.TemporaryDirectory() as folder:
        return _convert_in_another_process(pathlib.Path(folder), model, request)


def _require_for_another_process(*packages):
    """Raise unless packages are installed, without the seconds that importing them takes."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise ImportError(
                f"Export to ONNX needs {package} on every backend: pip install 'keras-bsd'. "
                f"Received: no package {package}"
            )


def _convert_in_another_process(folder, model, request):
    model.save(folder / MODEL)
    modules = sorted({layer.__class__.__module__ for layer in _network.all_layers(model)} - {"__main__"})
    (folder / REQUEST).write_text(json.dumps({"modules": modules, "request": request}))
    program = f"from keras_bsd.export import _conversion; _conversion.work({str(folder)!r})"
    paths = {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    environment = {**os.environ, **paths, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    if (folder / REFUSAL).exists():
        raise ValueError((folder / REFUSAL).read_text())
    if done.returncode:
        raise RuntimeError(f"The process that converts the network on TensorFlow failed:\n{done.stderr}")
    return require_onnx().load(folder / GRAPH)


def work(folder):
    """Convert the network in `folder`, in the process with TensorFlow."""
    folder = pathlib.Path(folder)
    content = json.loads((folder / REQUEST).read_text())
    try:
        for module in content["modules"]:
            __import__(module)
        model = keras.saving.load_model(folder / MODEL, compile=False)
    except (ImportError, TypeError, ValueError) as error:
        refusal = (
            "The network cannot be rebuilt in the process that converts it. "
            f"Received: {str(error).splitlines()[0]}. Define your own layers in a module that can be imported, "
            "and register them by keras.saving.register_keras_serializable."
        )
        (folder / REFUSAL).write_text(refusal)
        return
    try:
        require_onnx().save(convert(model, **content["request"]), folder / GRAPH)
    except ValueError as error:
        (folder / REFUSAL).write_text(str(error))
