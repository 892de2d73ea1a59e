#!/usr/bin/env bash
# Version: quantizeml 1.2.5, tf_keras 2.19.0, tensorflow 2.19.1, numpy 2.1.3.
#
# Behaviour: `quantize`, the first step to BrainChip's Akida, turns a network of `Conv3D` into one that sees a frame
# at a time. For its convolutions in time, which must be padded by a causal `ZeroPadding3D`, buffers take the place of
# the padding. Each other `ZeroPadding3D` is removed as well, and nothing takes its place: a convolution in space
# behind one is left with padding "valid". There is no warning.
#
# Seen: two networks of the same weights and the same answers, two 3x3 convolutions in space padded by "same" or by a
# line of zeros around, one in time, averages over space. Sanitized in float, frame by frame, the first answers as
# before. The second averages over 4x4 places in place of 8x8, and its answers are wrong by two fifths of their
# spread.
#
# Why it matters: an average over space at the end hides that the maps have shrunk, all shapes fit. Explicit padding
# is what networks brought from PyTorch have; small images lose most of their area.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.1.3 tensorflow==2.19.1 tf_keras==2.19.0 onnx==1.22.0 \
    onnxruntime==1.23.2 onnxscript==0.4.0 quantizeml==1.2.5 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - 2>run.log <<'PY' || { rc=$?; tail -n 5 run.log; exit $rc; }
import os
import sys
from importlib.metadata import version

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
import tf_keras as keras
from quantizeml.models import reset_buffers
from quantizeml.models.transforms import sanitize
from tf_keras.layers import AveragePooling3D, Conv3D, Input, ReLU, ZeroPadding3D

print(*(f"{name} {version(name)}" for name in ("quantizeml", "tf_keras", "tensorflow", "numpy")))
tf.get_logger().setLevel("ERROR")
FRAMES, SIZE = 6, 8

def network(explicit):
    """Two convolutions in space, one in time, and averages over space; with the same weights however padded."""
    keras.utils.set_random_seed(0)
    layers = [Input((FRAMES, SIZE, SIZE, 3))]
    for _ in range(2):
        if explicit:
            layers += [ZeroPadding3D((0, 1, 1)), Conv3D(8, (1, 3, 3)), ReLU()]
        else:
            layers += [Conv3D(8, (1, 3, 3), padding="same"), ReLU()]
    layers += [ZeroPadding3D(((2, 0), (0, 0), (0, 0))), Conv3D(8, (3, 1, 1)), ReLU(), AveragePooling3D((1, SIZE, SIZE))]
    return keras.Sequential(layers)

def stream(model, videos):
    """The answers of a sanitized network that sees frame after frame."""
    answers = []
    for video in videos:
        reset_buffers(model)
        answers.append([model(frame[None]).numpy()[0] for frame in video])
    return np.array(answers)

videos = np.random.default_rng(0).normal(size=(8, FRAMES, SIZE, SIZE, 3)).astype("float32")
right, errors, places = None, {}, {}
for name, explicit in (("same", False), ("a line of zeros", True)):
    model = network(explicit)
    answers = model.predict(videos, verbose=0)[:, :, 0, 0]
    if right is None:
        right = answers
    print(f"padded by {name}: before, equal to the other network: {np.allclose(answers, right, atol=1e-5)}")
    clean = sanitize(model)
    errors[name] = float(np.abs(stream(clean, videos) - right).mean() / np.abs(right - right.mean()).mean())
    places[name] = clean.layers[-1].input_shape[1:3]
    print(f"  sanitized: averages over {SIZE}x{SIZE} places expected, seen {places[name][0]}x{places[name][1]};",
          f"an error of 0 expected, seen {errors[name]:.2f}")

if errors["same"] > 1e-4:
    sys.exit("changed: a network with same padding is no longer right")
if places["a line of zeros"] != (SIZE - 4, SIZE - 4) or errors["a line of zeros"] < 0.05:
    sys.exit("changed: padding in space is no longer removed")
print("as stated")
PY
