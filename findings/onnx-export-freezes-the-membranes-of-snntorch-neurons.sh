#!/usr/bin/env bash
# Versions: snntorch 1.0.0, torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.31.1.
#
# Behaviour: a snnTorch network whose neurons keep their own state (init_hidden=True, the form
# that fits into torch.nn.Sequential) is exported by torch.onnx.export, by the new exporter and
# by the old one, with the membranes of that moment as constants and without a way to carry
# them on. There is no error, and the warnings that come speak of other things (an attribute
# `reset` that is no buffer; a comparison of shapes). Each call of the file is the first step
# after the moment of the export, for ever; which step that is depends on what the network
# happened to see before it was exported.
#
# Seen: constant input, eight steps: snnTorch fires in the fourth step, membrane 0.3, 0.57,
# 0.813, 1.0317, ...; the exported file gives 0.3 in every call and never fires. Exported after
# three steps had been run, it has the membrane 1.0317 in every call and fires always.
#
# Why it matters: a streaming network that goes to ONNX Runtime one step at a time has to take
# the state in and give it out (init_hidden=False); and a network that runs its time steps
# inside answers differently after an export without a reset.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 snntorch==1.0.0 onnx==1.23.2 onnxscript==0.7.2 \
    onnxruntime==1.31.1 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python - 2>err.log <<'PY' || { code=$?; cat err.log; exit $code; }
import sys, warnings
from importlib.metadata import version

import numpy as np, onnxruntime, snntorch as snn, torch

print(*(f"{name} {version(name)}" for name in ("snntorch", "torch", "onnx", "onnxscript", "onnxruntime")), sep=", ")

STEPS, X = 8, torch.tensor([[1.0, 0.5]])

def network():
    net = torch.nn.Sequential(
        torch.nn.Linear(2, 1, bias=False),
        snn.Leaky(beta=0.9, init_hidden=True, output=True, surrogate_disable=True),
    )
    torch.nn.init.constant_(net[0].weight, 0.2)
    return net.eval().requires_grad_(False)

def show(title, spikes, membranes):
    print(f"{title:44}", "spikes", "".join(str(int(s)) for s in spikes), "membranes", np.round(membranes, 4).tolist())

net = network()
steps = [net(X) for _ in range(STEPS)]
expected = [s.item() for s, _ in steps], [m.item() for _, m in steps]
show("expected (snnTorch itself)", *expected)
if expected[0].index(1.0) != 3:
    sys.exit("changed: snnTorch fires in another step")

for dynamo in (True, False):
    for warm in (0, 3):
        net = network()
        for _ in range(warm):
            net(X)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.onnx.export(net, (X,), "net.onnx", dynamo=dynamo, verbose=False)
        session = onnxruntime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
        inputs = session.get_inputs()
        calls = [session.run(None, {inputs[0].name: X.numpy()}) for _ in range(STEPS)]
        spikes, membranes = ([float(np.ravel(c[i])[0]) for c in calls] for i in (0, 1))
        show(f"seen ({'new' if dynamo else 'old'} exporter, after {warm} steps)", spikes, membranes)
        told = [str(w.message) for w in caught if ".mem" in str(w.message)]
        if len(inputs) != 1 or told:
            sys.exit(f"changed: the export knows of state now: {[i.name for i in inputs]} {told}")
        if not np.allclose(membranes, expected[1][warm]) or spikes != [expected[0][warm]] * STEPS:
            sys.exit("changed: the exported file moves on, or starts elsewhere")
print("as stated")
PY
