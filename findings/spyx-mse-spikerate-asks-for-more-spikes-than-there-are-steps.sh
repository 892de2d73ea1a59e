#!/usr/bin/env bash
# Version: spyx 1.0.0, jax 0.10.2.
#
# Behaviour: `mse_spikerate(sparsity)` is the "mean squared error of the mean spike rate", `sparsity` "the
# percentage of the time you want the neurons to spike". The rate is a mean over time, between 0 and 1; its target
# is the `sparsity` times the number of time steps, a count. Compared are 0.25 and 10.
#
# Seen: 40 steps, two classes, sparsity 0.25. Where the neuron of the right class fires at one step in four and the
# other is silent, the loss should be 0; it is 47.53, and its gradient asks for more spikes. The lowest loss that
# spikes can reach, 40.5, is where the neuron fires at each of the 40 steps.
#
# Why it matters: the loss goes down in training and accuracy goes up, since the right neuron is driven harder than
# the others; the sparse activity that was asked for is never reached, and the longer the sequence, the further the
# target.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile spyx==1.0.0 jax==0.10.2 jaxlib==0.10.2 flax==0.12.8 optax==0.2.8 grain==0.2.18 \
    nir==1.0.8 numpy==2.4.6 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

JAX_PLATFORMS=cpu venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import jax
import numpy as np
from jax import numpy as jnp
from spyx.fn import mse_spikerate

print(*(f"{name} {version(name)}" for name in ("spyx", "jax", "flax", "optax")))
STEPS, SPARSITY = 40, 0.25
loss = mse_spikerate(sparsity=SPARSITY)
label = jnp.array([0])

def spikes(every):
    """Return spikes of the first neuron at one step in `every`, none of the second."""
    train = np.zeros((1, STEPS, 2), "float32")
    if every:
        train[0, ::every, 0] = 1
    return jnp.array(train)

seen = {}
for every in (0, 8, 4, 2, 1):
    train = spikes(every)
    rate = train.mean(axis=1)[0, 0]
    expected = (rate - SPARSITY) ** 2 / 2  # the mean over both neurons
    gradient = jax.grad(lambda traces: loss(traces, label))(train)[0, 0, 0]
    seen[every] = float(loss(train, label)), float(gradient)
    print(f"right neuron at a rate of {rate:.3f}: loss expected {expected:.4f}, seen {seen[every][0]:.3f}, "
          f"gradient for one of its steps {seen[every][1]:.3f}")

by_count = {every: (float(spikes(every).mean(axis=1)[0, 0]) - SPARSITY * STEPS) ** 2 / 2 for every in seen}
if not all(np.isclose(seen[every][0], by_count[every], rtol=1e-4) for every in seen):
    sys.exit("changed: the target of the mean spike rate is no longer a count")
if min(seen, key=lambda every: seen[every][0]) != 1 or any(gradient >= 0 for _, gradient in seen.values()):
    sys.exit("changed: the loss no longer asks for a spike at each step")
print("as stated")
PY
