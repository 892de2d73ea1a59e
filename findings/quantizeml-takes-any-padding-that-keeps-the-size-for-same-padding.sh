#!/usr/bin/env bash
# Version: quantizeml 1.2.5, tf_keras 2.19.0, tensorflow 2.19.1, numpy 2.1.3.
#
# Behaviour: `quantize`, the first step to BrainChip's Akida, removes a `ZeroPadding2D` before a convolution and gives
# the convolution padding "same" instead; by its description only where the padding is a "same" padding. What it
# compares is the size of the output. Zeros on both sides before a stride of 2, where "same" has them at the end
# alone, have the same size, and so have zeros before the first line alone, a causal convolution in time.
#
# Seen: sanitized in float, which should change nothing, three networks answer as before: 3x3 with a stride of 1 and
# one line of zeros around, 3x3 with a stride of 2 and zeros at the right and the bottom. A 3x3 and a 7x7 convolution
# with a stride of 2 and zeros all around, the first layer of a ResNet, differ by more than the spread of their
# answers: each pixel sees its neighbour's field. A causal convolution answers a step before its input begins.
# `quantize` in 8 bits is wrong by 2 % of the spread where sanitizing is right, else by 117 % to 123 %.
#
# Why it matters: networks brought from PyTorch, and ResNets of Keras, pad all around. They lose accuracy on the way
# to the chip, which looks like the price of 8 bits; and a network for streams looks into the future.
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
from tf_keras.layers import Conv2D, Input, ReLU, ZeroPadding2D

print(*(f"{name} {version(name)}" for name in ("quantizeml", "tf_keras", "tensorflow", "numpy")))
tf.get_logger().setLevel("ERROR")
rng = np.random.default_rng(0)

def error(answers, right):
    return float(np.abs(answers - right).mean() / np.abs(right - right.mean()).mean())

def to_8_bits(network, stimuli):
    with contextlib.redirect_stdout(io.StringIO()):     # calibration has a progress bar
        return quantize(network, samples=stimuli, num_samples=len(stimuli), batch_size=len(stimuli))

def compare(name, padding, kernel, stride, shape):
    """Mean errors of the sanitized and of the quantized network, as fractions of the spread of the right answers."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential([Input(shape), ZeroPadding2D(padding), Conv2D(8, kernel, strides=stride), ReLU()])
    stimuli = rng.normal(size=(64, *shape)).astype("float32")
    right = network.predict(stimuli, verbose=0)
    clean = error(sanitize(network).predict(stimuli, verbose=0), right)
    small = error(to_8_bits(network, stimuli).predict(stimuli, verbose=0), right)
    print(f"{name}: expected an error of 0, seen {clean:.2f} after sanitize, {small:.2f} after quantize")
    return clean, small

seen = [compare(*case) for case in (
    ("3x3, stride 1, zeros all around (same)", 1, 3, 1, (16, 16, 4)),
    ("3x3, stride 2, zeros at the end (same)", ((0, 1), (0, 1)), 3, 2, (16, 16, 4)),
    ("3x3, stride 2, zeros all around", 1, 3, 2, (16, 16, 4)),
    ("7x7, stride 2, zeros all around", 3, 7, 2, (32, 32, 4)),
    ("3x1, stride 1, zeros before the first step (causal)", ((2, 0), (0, 0)), (3, 1), 1, (16, 8, 4)),
)]

keras.utils.set_random_seed(0)
causal = keras.Sequential([Input((16, 1, 1)), ZeroPadding2D(((2, 0), (0, 0))), Conv2D(1, (3, 1), use_bias=False)])
stimulus = np.zeros((1, 16, 1, 1), "float32")
stimulus[:, 8:] = 1.0
first = [int(np.flatnonzero(model.predict(stimulus, verbose=0))[0]) for model in (causal, sanitize(causal))]
print(f"causal, an input that begins at step 8: an answer expected from step {first[0]} on, seen {first[1]}")

if any(clean > 1e-5 or small > 0.1 for clean, small in seen[:2]):
    sys.exit("changed: networks with same padding are no longer right")
if any(clean < 0.5 or small < 0.5 for clean, small in seen[2:]) or first != [8, 7]:
    sys.exit("changed: padding that is not same padding is no longer replaced by it")
print("as stated")
PY
