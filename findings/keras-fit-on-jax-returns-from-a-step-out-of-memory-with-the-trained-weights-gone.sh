#!/usr/bin/env bash
# Version: keras 3.15.1, jax 0.10.2, jaxlib 0.10.2, on a CPU.
#
# Behaviour: out of memory is the most frequent complaint of who trains spiking networks over many
# time steps, and the usual answer is to catch the error and try a smaller batch. With Keras on JAX
# on a CPU there is none to catch: steps run in the background, and `fit` returns as if it had
# trained. The compiled step has taken the arrays of weights, optimizer and metrics for its own
# (donated buffers) before the allocation failed, so that the model, however long it was trained
# before, has no weights: reading, predicting and saving raise RESOURCE_EXHAUSTED from then on.
# PyTorch raises in `fit`, and keeps them.
#
# Seen: a model trained for an epoch, then for one more with a term whose size no machine has. On
# JAX `fit` returns and `get_weights` raises; on PyTorch `fit` raises and the weights are as trained.
#
# Why it matters: a search for the largest batch that fits costs the model, and finds no limit.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 torch==2.13.0 numpy==2.4.6 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

cat >program.py <<'PY'
from importlib.metadata import version

import keras
import numpy as np
from keras import ops

backend = keras.config.backend()
print(*(f"{name} {version(name)}" for name in ("keras", backend, "numpy")))

class Pairs(keras.layers.Layer):
    """Adds the mean of a matrix with `count` rows and columns, which is zero."""

    count = 10

    def call(self, inputs):
        row = ops.sum(inputs) * ops.zeros((self.count, 1))
        return inputs + ops.mean(ops.cumsum(row * ops.ones((1, self.count)), axis=0))

x, y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")
pairs = Pairs()
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), pairs, keras.layers.Dense(1)])
model.compile("sgd", "mse", jit_compile=backend == "jax")
model.fit(x, y, verbose=0)
trained = model.get_weights()
pairs.count = 10**7  # 400 TB
model.compile("sgd", "mse", jit_compile=backend == "jax")
try:
    model.fit(x, y, verbose=0)
    print("fit has returned")
except Exception as error:
    print("fit has raised:", next(line for line in str(error).splitlines() if "llocat" in line).strip()[:90])
try:
    kept = all(map(np.array_equal, model.get_weights(), trained))
    print("weights are as trained" if kept else "weights have changed")
except Exception as error:
    print("weights are gone:", str(error)[:60])
PY
for backend in jax torch; do
    JAX_PLATFORMS=cpu KERAS_BACKEND=$backend venv/bin/python -W ignore program.py 2>/dev/null | tee $backend.txt
done
grep -q "^fit has returned" jax.txt || { echo "changed: fit raises on JAX"; exit 1; }
grep -q "^weights are gone: RESOURCE_EXHAUSTED" jax.txt || { echo "changed: Keras on JAX keeps the weights"; exit 1; }
grep -q "^fit has raised" torch.txt || { echo "changed: fit returns on PyTorch"; exit 1; }
grep -q "^weights are as trained" torch.txt || { echo "changed: Keras on PyTorch loses the weights"; exit 1; }
echo "as stated"
