#!/usr/bin/env bash
# Version: quantizeml 1.2.5, tf_keras 2.19.0, tensorflow 2.19.1, numpy 2.1.3.
#
# Behaviour: `quantize`, the first step to BrainChip's Akida, extends even kernels to odd ones by a row and a column
# of zeros, for the hardware. It takes the height of a kernel for its width as well: a column of two, four or six
# weights, a convolution in time, is written into each column of a square. There is no warning.
#
# Seen: sanitized in float, which should change nothing, networks with kernels of 2x2, 4x4 and 3x1 answer as before.
# One of 2x1 becomes 3x3 with twice its weights, one of 4x1 becomes 5x5 with four times its weights, side by side:
# outputs are sums over neighbouring frequencies or places that the network had kept apart. They are wrong by 75 % and
# 135 % of the spread of the right ones, after `quantize` in 8 bits as well, where 2 % are usual.
#
# Why it matters: networks for sound and other streams convolve in time alone. They leave `quantize` with another
# function and 9 or 25 weights for each 2 or 4; training them again in 8 bits hides what happened.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.1.3 tensorflow==2.19.1 tf_keras==2.19.0 onnx==1.22.0 \
    onnxruntime==1.23.2 onnxscript==0.4.0 quantizeml==1.2.5 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - 2>run.log <<'PY' || { rc=$?; tail -n 5 run.log; exit $rc; }
import contextlib
import io
import os
import sys
from importlib.metadata import version

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
import tf_keras as keras
from quantizeml.models import quantize
from quantizeml.models.transforms import sanitize
from tf_keras.layers import Conv2D, Input, ReLU

print(*(f"{name} {version(name)}" for name in ("quantizeml", "tf_keras", "tensorflow", "numpy")))
tf.get_logger().setLevel("ERROR")
rng = np.random.default_rng(0)

def error(answers, right):
    return float(np.abs(answers - right).mean() / np.abs(right - right.mean()).mean())

def to_8_bits(network, stimuli):
    with contextlib.redirect_stdout(io.StringIO()):     # calibration has a progress bar
        return quantize(network, samples=stimuli, num_samples=len(stimuli), batch_size=len(stimuli))

def compare(kernel):
    """The kernel after sanitizing, and the errors of the sanitized and of the quantized network."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential([Input((16, 8, 4)), Conv2D(8, kernel, padding="same"), ReLU()])
    stimuli = rng.normal(size=(64, 16, 8, 4)).astype("float32")
    right, clean = network.predict(stimuli, verbose=0), sanitize(network)
    layer = next(layer for layer in clean.layers if isinstance(layer, Conv2D))
    weights = np.count_nonzero(layer.get_weights()[0][:, :, 0, 0])
    small = to_8_bits(network, stimuli).predict(stimuli, verbose=0)
    errors = error(clean.predict(stimuli, verbose=0), right), error(small, right)
    print(f"{kernel[0]}x{kernel[1]}: expected {kernel[0] * kernel[1]} weights that are not 0 and an error of 0,",
          f"seen {layer.kernel_size[0]}x{layer.kernel_size[1]} with {weights} weights,",
          f"errors {errors[0]:.2f} after sanitize, {errors[1]:.2f} after quantize")
    return weights, *errors

seen = {kernel: compare(kernel) for kernel in ((2, 2), (4, 4), (3, 1), (2, 1), (4, 1))}

for height, width in ((2, 2), (4, 4), (3, 1)):
    weights, clean, small = seen[height, width]
    if weights != height * width or clean > 1e-5 or small > 0.1:
        sys.exit("changed: squares and columns of odd length are no longer right")
for height in (2, 4):
    weights, clean, small = seen[height, 1]
    if weights != height**2 or clean < 0.5 or small < 0.5:
        sys.exit("changed: columns of even length are no longer turned into squares")
print("as stated")
PY
