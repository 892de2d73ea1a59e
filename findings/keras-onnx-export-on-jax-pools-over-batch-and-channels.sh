#!/usr/bin/env bash
# Version: keras 3.15.1, jax 0.10.2, jax2onnx 0.17.1, onnxruntime 1.32.0.
#
# Behaviour: on the JAX backend model.export(path, format="onnx") goes by jax2onnx, which takes
# the axes of batch and channels into the window of MaxPool: MaxPooling2D(2) becomes a kernel
# shape of (1, 2, 2, 1) over tensors with two axes put in front. That is valid ONNX, and the
# checker accepts it, but ONNX Runtime pools in at most three dimensions.
#
# Seen: the export ends without a warning; onnx.checker passes; onnxruntime opens the file and
# raises "Unsupported pooling size" at the first stimulus. Average pooling in its place runs.
#
# Why it matters: nearly every convolutional network has such a layer, and a service that only
# loads the file at its start finds out with its first request. Run an exported file once.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 keras==3.15.1 jax==0.10.2 jax2onnx==0.17.1 onnx==1.23.2 \
    onnxruntime==1.32.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

KERAS_BACKEND=jax JAX_PLATFORMS=cpu venv/bin/python -W ignore - 2>stderr.log <<'PY' || { cat stderr.log; exit 1; }
import sys
from importlib.metadata import version

import keras
import numpy as np
import onnx
import onnxruntime

print(*(f"{name} {version(name)}" for name in ("keras", "jax", "jax2onnx", "onnxruntime")))
x = np.random.default_rng(0).random((2, 8, 8, 1), "float32")
seen = {}
for layer in (keras.layers.AveragePooling2D(2), keras.layers.MaxPooling2D(2)):
    name = type(layer).__name__
    model = keras.Sequential([keras.Input((8, 8, 1)), layer])
    expected = np.asarray(model(x))
    model.export("model.onnx", format="onnx", verbose=False)
    onnx.checker.check_model("model.onnx")
    session = onnxruntime.InferenceSession("model.onnx")
    windows = [
        list(attribute.ints)
        for node in onnx.load("model.onnx").graph.node
        for attribute in node.attribute
        if attribute.name == "kernel_shape"
    ]
    try:
        (outputs,) = session.run(None, {session.get_inputs()[0].name: x})
        seen[name] = f"largest difference {np.abs(outputs - expected).max():.0e}"
    except Exception as error:
        seen[name] = str(error).rsplit("Status Message: ")[-1].strip()
    print(f"{name}: kernel shapes {windows}; expected: as Keras; seen: {seen[name]}")

if "largest difference" not in seen["AveragePooling2D"]:
    sys.exit("changed: average pooling does not run")
if "Unsupported pooling size" not in seen["MaxPooling2D"]:
    sys.exit("changed: max-pooling is run or refused otherwise")
print("as stated")
PY
