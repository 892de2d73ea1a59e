#!/usr/bin/env bash
# Versions: sinabs 3.1.3, nir 1.0.4 (the newest that sinabs accepts), nirtorch 2.0.2, torch 2.13.0.
#
# Behaviour: sinabs writes its layers to NIR and reads them back with less than they were. An `LIF` layer divides
# its input by its time constant by default (`norm_input=True`), which is NIR's own equation with r = 1, and is
# written so. `from_nir` makes every LIF node a layer with `norm_input=False` and looks at `r` no further: the input
# arrives 1 / (1 - exp(-1/tau)) times as large. An `IAF` layer without a lower bound, which is NIR's IF node, comes
# back with a bound at minus the threshold: inhibition below it is forgotten.
#
# Seen: a LIF neuron (tau 10 steps, threshold 1) under a constant input of 1.5 for 20 steps fires once, and 29 times
# after the round trip. An IAF neuron with an input of -3 and then five of 1 fires twice; after the round trip 4
# times.
#
# Why it matters: a round trip is how a network is kept, handed on, or checked before it goes to a chip. Weights,
# time constants and thresholds are all as before, the printed layers look right, and the network is another one.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 sinabs==3.1.3 nir==1.0.4 nirtorch==2.0.2 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import math
import sys
from importlib.metadata import version

import nir
import sinabs.layers as sl
import torch
from sinabs.nir import from_nir, to_nir
from torch import nn

print(*(f"{name} {version(name)}" for name in ("sinabs", "nir", "nirtorch", "torch")))
torch.set_grad_enabled(False)

def by_hand(inputs, decay, gain):
    membrane, total = 0.0, 0
    for current in inputs:
        membrane = decay * membrane + gain * current
        fired = max(int(membrane), 0)
        total, membrane = total + fired, membrane - fired
    return total

def there_and_back(layer, inputs):
    weights = nn.Linear(1, 1, bias=False)
    weights.weight.fill_(1.0)
    model, steps = nn.Sequential(weights, layer), torch.tensor(inputs).reshape(-1, 1)
    before = model(steps)
    nir.write("network.nir", to_nir(model, steps))
    after = from_nir(nir.read("network.nir"), batch_size=1)(steps)
    after = after[0] if isinstance(after, tuple) else after
    return int(before.sum()), int(after.sum())

TAU = 10.0
lif = sl.LIFSqueeze(tau_mem=torch.tensor([TAU]), spike_threshold=torch.ones(1), batch_size=1)
iaf = sl.IAFSqueeze(batch_size=1)
decay = math.exp(-1 / TAU)
cases = {
    "LIF": (lif, [1.5] * 20, decay, 1 - decay),
    "IAF": (iaf, [-3.0] + [1.0] * 5, 1.0, 1.0),
}
seen = {}
for name, (layer, inputs, decay, gain) in cases.items():
    expected = by_hand(inputs, decay, gain)
    seen[name] = there_and_back(layer, inputs)
    print(f"{name}: expected {expected} spikes; before the round trip {seen[name][0]}, after it {seen[name][1]}")
    if seen[name][0] != expected:
        sys.exit("changed: the layer as it was made no longer gives the reference")
if any(before == after for before, after in seen.values()):
    sys.exit("changed: a layer fires as before after the round trip")
print("as stated")
PY
