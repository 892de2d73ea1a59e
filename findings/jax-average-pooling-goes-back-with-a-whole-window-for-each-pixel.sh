#!/usr/bin/env bash
# Version: jax 0.10.2, jaxlib 0.10.2, keras 3.15.1, on a CPU.
#
# Behaviour: firing rates of maps are averaged to a few cells before they are compared or read
# out. Where windows do not overlap, each pixel's gradient is that of its one cell, divided by the
# cell's size. The gradient of `lax.reduce_window`, on which average pooling of Keras (and of Flax)
# is built, is another window over the cells' gradients, spread with zeros between them: it adds a
# whole window for each pixel, 64 values for cells of 8x8, of which one is not zero. The compiler
# does not see through it.
#
# Seen: maps of 32x32 averaged to cells of 8x8. XLA counts 64 operations a pixel for the gradient
# by average pooling, 1 by sums over a reshaped array; the gradients are equal.
#
# Why it matters: the larger the cells, the slower training, though there is no more to compute.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile jax==0.10.2 jaxlib==0.10.2 keras==3.15.1 numpy==2.4.6 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

JAX_PLATFORMS=cpu KERAS_BACKEND=jax venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import jax
import numpy as np
from jax import numpy as jnp
from keras import ops

print(*(f"{name} {version(name)}" for name in ("jax", "jaxlib", "keras", "numpy")))

SIDE, CHANNELS = 32, 16
maps = jnp.asarray(np.random.default_rng(0).random((8, SIDE, SIDE, CHANNELS), "float32"))
targets = jnp.asarray(np.random.default_rng(1).random((8, SIDE, SIDE, CHANNELS), "float32"))

def pooled(maps, cell):
    return ops.average_pool(maps, cell, cell, data_format="channels_last")

def summed(maps, cell):
    cells = maps.shape[1] // cell
    return maps.reshape(-1, cells, cell, cells, cell, CHANNELS).sum(axis=(2, 4)) / cell**2

def cost(means, cell):
    """Return XLA's count of operations a pixel, and the gradient."""
    count = SIDE // cell
    step = jax.jit(jax.grad(lambda maps: jnp.sum(jnp.square(means(maps, cell) - targets[:, :count, :count]))))
    return step.lower(maps).compile().cost_analysis()["flops"] / maps.size, step(maps)

seen = {}
for cell in (2, 4, 8):
    by_pooling, gradient = cost(pooled, cell)
    by_sums, expected = cost(summed, cell)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-7)
    seen[cell] = by_pooling, by_sums
    print(f"cells of {cell}x{cell}: {by_pooling:.1f} operations a pixel by pooling, {by_sums:.1f} by sums")

if not all(by_pooling > cell**2 for cell, (by_pooling, _) in seen.items()):
    sys.exit("changed: average pooling no longer adds a whole window for each pixel")
if not all(by_sums < 5 for _, by_sums in seen.values()):
    sys.exit("changed: sums cost more than a few operations a pixel")
print("as stated")
PY
