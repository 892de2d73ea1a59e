#!/usr/bin/env bash
# Version: nengo 4.1.0, numpy 2.4.6, scipy 1.17.1.
#
# Behaviour: `Piecewise({time: value, ...})` holds its last value to the end of the simulation. With `interpolation` set
# to anything but the default "zero" it is 0 after the last time. The documentation speaks of zeros "for times before
# the first specified time"; of those after the last one it says nothing.
#
# Seen: {0: 0, 0.5: 1}. At 0.25 s the default is 0 and "linear" 0.5, as both should be. From 0.5 s on the value should
# be 1: the default, and an ensemble that it drives, hold 1; "linear", "nearest" and "slinear" are 1 at 0.5 s and 0 one
# step later, and the ensemble decodes 0.
#
# Why it matters: a ramp to a set point, the usual input of a controller or an integrator, ends in a jump back to 0. It
# looks like a fault of the network behind it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 scipy==1.17.1 nengo==4.1.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import nengo
import numpy as np
from nengo.processes import Piecewise

print(*(f"{name} {version(name)}" for name in ("nengo", "numpy", "scipy")))

def simulate(kind):
    """Return the input at 0.25, 0.5, 0.501 and 0.9 s, and what an ensemble decodes in the last 0.2 s of 1 s."""
    with nengo.Network(seed=0) as network:
        node = nengo.Node(Piecewise({0: 0.0, 0.5: 1.0}, interpolation=kind))
        ensemble = nengo.Ensemble(100, 1)
        nengo.Connection(node, ensemble)
        given, decoded = nengo.Probe(node), nengo.Probe(ensemble, synapse=0.03)
    with nengo.Simulator(network, progress_bar=False) as simulator:
        simulator.run(1.0)
    values = simulator.data[given][:, 0]
    end = float(simulator.data[decoded][-200:].mean())
    return [round(float(values[step - 1]), 3) for step in (250, 500, 501, 900)], end

expected = {"zero": [0, 1, 1, 1], "linear": [0.5, 1, 1, 1], "nearest": [0, 1, 1, 1], "slinear": [0.5, 1, 1, 1]}
seen = {}
for kind in expected:
    seen[kind] = simulate(kind)
    print(f"{kind}: at 0.25, 0.5, 0.501 and 0.9 s expected {expected[kind]}, seen {seen[kind][0]}; an ensemble decodes "
          f"{seen[kind][1]:.2f} at the end, expected about 1")

if seen["zero"][0] != expected["zero"] or not np.isclose(seen["zero"][1], 1, atol=0.1):
    sys.exit("changed: without interpolation the last value is no longer held")
if any(seen[kind][0][:2] != expected[kind][:2] for kind in expected):
    sys.exit("changed: values up to the last time are no longer interpolated")
if any(seen[kind][0][2:] != [0, 0] or abs(seen[kind][1]) > 0.1 for kind in list(expected)[1:]):
    sys.exit("changed: with interpolation the last value is held")
print("as stated")
PY
