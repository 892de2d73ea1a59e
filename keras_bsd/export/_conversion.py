"""Conversion to ONNX, which TensorFlow does, from whichever backend."""

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


def graph(model, outputs, opset, streaming, length=None):
    """An ONNX model of what `model` computes at inference, its batch of any size.

    On another backend than TensorFlow a process of its own rebuilds the network there.

    Args:
        model: built functional or Sequential Keras model.
        outputs: names of what it is to give.
        opset: int.
        streaming: bool, one moment in place of all.
        length: int, of sequences, if the model takes any.

    Raises:
        ValueError: a layer cannot be exported, or is not known in another process.
    """
    if keras.config.backend() == "tensorflow":
        require("tf2onnx", "Export to ONNX")
        from keras_bsd.export import _tensorflow

        program = step(model, outputs) if streaming else whole(model, outputs, length)
        return _tensorflow.graph(model, program, opset)
    require("onnx", "Export to ONNX")
    if importlib.util.find_spec("tensorflow") is None:
        raise ImportError("Export to ONNX needs tensorflow on every backend: pip install 'keras-bsd'")
    request = {"outputs": list(outputs), "opset": opset, "streaming": streaming, "length": length}
    with tempfile.TemporaryDirectory() as folder:
        return _in_another_process(pathlib.Path(folder), model, request)


def _in_another_process(folder, model, request):
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
        raise RuntimeError(f"The process that converts on TensorFlow has failed:\n{done.stderr}")
    return require("onnx", "Export to ONNX").load(folder / GRAPH)


def work(folder):
    """The other process's part."""
    folder = pathlib.Path(folder)
    asked = json.loads((folder / REQUEST).read_text())
    try:
        for module in asked["modules"]:
            __import__(module)
        model = keras.saving.load_model(folder / MODEL, compile=False)
    except (ImportError, TypeError, ValueError) as error:
        refusal = (
            "The network cannot be built again in the process that converts it: define your own layers in a "
            "module that can be imported, and register them by keras.saving.register_keras_serializable. "
            f"Received: {str(error).splitlines()[0]}"
        )
        (folder / REFUSAL).write_text(refusal)
        return
    try:
        require("onnx", "Export to ONNX").save(graph(model, **asked["request"]), folder / GRAPH)
    except ValueError as error:
        (folder / REFUSAL).write_text(str(error))
