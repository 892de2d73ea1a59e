#!/usr/bin/env bash
# Versions: spyx 1.0.0, nir 1.0.8, jax 0.10.2 (as a check: norse 1.1.0, torch 2.13.0).
#
# Behaviour: maps have their channels last in spyx, and first in NIR. `spyx.nir.to_nir` turns the weights of
# convolutions, the maps' shapes and the parameters of neurons over. It writes a Flatten node that reads maps with
# channels first, and behind it the weights of a dense layer in the order of channels last, as they are in spyx.
#
# Seen: a convolution of 2 to 3 channels, a Flatten, a dense layer of 4. spyx answers -0.744, 1.202, 0.082 and
# 0.363; the file, by the nodes' own equations and in Norse, -0.255, -1.016, 0.317 and 0.547. With maps flattened
# channels last, which no node says, file and spyx agree. spyx reads its file in its own order: its round trip shows
# nothing.
#
# Why it matters: nearly each convolutional network has a Flatten. Shapes fit, nothing is raised, and elsewhere the
# network answers at chance.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile spyx==1.0.0 jax==0.10.2 jaxlib==0.10.2 flax==0.12.8 optax==0.2.8 grain==0.2.18 \
    nir==1.0.8 nirtorch==2.6 norse==1.1.0 torch==2.13.0 numpy==2.4.6 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

JAX_PLATFORMS=cpu venv/bin/python -W ignore - <<'PY'
import logging
import sys
from importlib.metadata import version

import nir
import norse.torch
import numpy as np
import spyx.nir
import spyx.nn
import torch
from flax import nnx
from jax import numpy as jnp

logging.disable(logging.WARNING)
torch.set_grad_enabled(False)
print(*(f"{name} {version(name)}" for name in ("spyx", "nir", "jax", "norse", "torch")))

rngs = nnx.Rngs(0)
model = spyx.nn.Sequential(
    nnx.Conv(2, 3, (3, 3), padding="VALID", rngs=rngs), spyx.nn.Flatten(), nnx.Linear(3 * 2 * 3, 4, rngs=rngs)
)
image = np.random.default_rng(0).random((1, 4, 5, 2)).astype("float32")  # height 4, width 5, channels last
first = torch.from_numpy(image.transpose(0, 3, 1, 2).copy())  # channels first, NIR's order
in_spyx = np.asarray(model(jnp.array(image), model.initial_state(1))[0])[0]
graph = spyx.nir.to_nir(model, {"input": np.array([2, 4, 5])}, {"output": np.array([4])})
nir.write("network.nir", graph)
graph = nir.read("network.nir")
back = np.asarray(spyx.nir.from_nir(graph, jnp.array(image)[None])[1])[0, 0]

def by_equation(graph, turned=False):
    conv, dense = (next(n for n in graph.nodes.values() if isinstance(n, kind)) for kind in (nir.Conv2d, nir.Affine))
    maps = torch.nn.functional.conv2d(first, torch.tensor(conv.weight), torch.tensor(conv.bias))
    flat = (maps.permute(0, 2, 3, 1) if turned else maps).flatten(1).numpy()
    return (flat @ dense.weight.T + dense.bias)[0]

out = norse.torch.from_nir(nir.read("network.nir"), dt=1.0)(first)
in_norse = np.asarray(out[0] if isinstance(out, tuple) else out).reshape(-1)
flatten = next(n for n in graph.nodes.values() if isinstance(n, nir.Flatten))
print("the Flatten node receives maps of shape", flatten.input_type["input"].tolist(), "(3 channels first)")
answers = {
    "spyx": in_spyx, "the file by its equations": by_equation(graph), "the file in Norse": in_norse,
    "the file in spyx": back, "the file with channels last": by_equation(graph, turned=True),
}
for name, outputs in answers.items():
    print(f"{name}: {[round(float(value), 3) for value in outputs]}")

if not np.allclose(in_norse, by_equation(graph), atol=1e-5) or not np.allclose(back, in_spyx, atol=1e-5):
    sys.exit("changed: Norse or spyx's own reader no longer gives the reference")
if np.allclose(by_equation(graph), in_spyx, atol=1e-3) or not np.allclose(by_equation(graph, True), in_spyx, atol=1e-4):
    sys.exit("changed: the weights behind a Flatten are written in another order")
print("as stated")
PY
