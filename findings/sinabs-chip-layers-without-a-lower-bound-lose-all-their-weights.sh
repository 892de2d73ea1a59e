#!/usr/bin/env bash
# Version: sinabs 3.1.3, torch 2.13.0.
#
# Behaviour: `IAFSqueeze(min_v_mem=None)` is a neuron without a lower bound of its membrane. A layer for DYNAP-CNN or
# Speck takes -32768 for its bound, the lowest state of the chip, but as a value of the network: before weights,
# thresholds and bound are scaled by one factor. The bound fits into 16 bits with a factor of at most 1, so weights and
# thresholds are rounded to whole numbers as they are. Weights below a half become 0. There is no warning.
#
# Seen: a convolution with weights of -0.1 to 0.5 and a threshold of 1, 20 steps of an 8x8 input. No membrane comes
# near -10. With `min_v_mem=-10` the largest weight becomes 127, the threshold 259, and 1,479 of 1,481 spikes remain.
# With None each weight is 0, the threshold 1, and no spike remains.
#
# The layer is imported without the package around it, which asks for samna, the driver of the chips. samna is not
# needed for these lines.
#
# Why it matters: None is how a network is made whose membranes should be free, as those of other libraries are. On
# the chip it is silent, and nothing tells that from a network that was trained badly.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 sinabs==3.1.3 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
import types
from importlib.metadata import version
from pathlib import Path

import sinabs.backend
import sinabs.layers
import torch
from torch import nn

package = types.ModuleType("sinabs.backend.dynapcnn")  # its __init__ asks for samna
package.__path__ = [str(Path(sinabs.backend.__path__[0]) / "dynapcnn")]
sys.modules[package.__name__] = package
from sinabs.backend.dynapcnn.dynapcnn_layer import DynapcnnLayer  # noqa: E402

print(*(f"{name} {version(name)}" for name in ("sinabs", "torch")))
torch.set_grad_enabled(False)
torch.manual_seed(0)
stimulus = (torch.rand(20, 1, 8, 8) > 0.7).float()
weights = torch.rand(4, 1, 3, 3) * 0.6 - 0.1

seen = {}
for bound in (-10.0, None):
    convolution = nn.Conv2d(1, 4, 3, bias=False)
    convolution.weight.data = weights.clone()
    neurons = sinabs.layers.IAFSqueeze(batch_size=1, min_v_mem=bound)
    layer = DynapcnnLayer(convolution, neurons, in_shape=(1, 8, 8), pool=[(1, 1)], discretize=True)
    asked = int(neurons(convolution(stimulus)).sum())
    seen[bound] = asked, int(layer(stimulus).sum()), int(layer.conv.weight.max()), int(layer.spk.spike_threshold)
    print(f"min_v_mem={bound}: expected about {asked} spikes, seen {seen[bound][1]};",
          f"largest weight {seen[bound][2]}, threshold {seen[bound][3]}, bound {int(layer.spk.min_v_mem)}")

if seen[-10.0][0] != seen[None][0]:
    sys.exit("changed: the bound of -10 makes a difference before the layer is made discrete")
if abs(seen[-10.0][1] - seen[-10.0][0]) > 20 or seen[-10.0][2] != 127:
    sys.exit("changed: a layer with a bound of -10 no longer keeps its spikes")
if seen[None][1] or seen[None][2] or not bool((layer.conv.weight == 0).all()):
    sys.exit("changed: a layer without a bound no longer loses its weights")
print("as stated")
PY
