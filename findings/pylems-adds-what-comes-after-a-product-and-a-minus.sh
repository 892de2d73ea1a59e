#!/usr/bin/env bash
# Version: pylems 0.6.9.
#
# Behaviour: PyLEMS, the Python simulator of LEMS, in which NeuroML's components are defined, reads a - b*c - d as
# a - (b*c - d), that is a - b*c + d. Behind a minus and one product, quotient, power or function, the next sum or
# difference is taken as if in brackets; behind a quotient and a power likewise, a / b^c / d is a * d / b^c. There is no
# warning. a - b - d and a + b*c - d are right, and so are a - (b*c) - d and a - b*c^2 - d.
#
# Seen: with a = 5, b = 1, c = 2 and d = 1, a - b*c - d should be 2 and comes out as 4, a - b*c + d 2 for 4. A variable
# with the derivative 5 - 1*2 - 1 is at 4 after a second of simulation, one with 5 - (1*2) - 1 at 2.
#
# Why it matters: a drive less a leak less an adaptation is written so. The sign of the adaptation is turned, without an
# error and often with a plausible trajectory.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile pylems==0.6.9 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

cat >model.xml <<'XML'
<Lems>
  <Target component="sim"/>
  <Dimension name="time" t="1"/>
  <Dimension name="per_time" t="-1"/>
  <Unit symbol="s" dimension="time" power="0"/>
  <Unit symbol="ms" dimension="time" power="-3"/>
  <Unit symbol="per_s" dimension="per_time" power="0"/>
  <ComponentType name="Cell">
    <Parameter name="rate" dimension="per_time"/>
    <Exposure name="plain" dimension="none"/>
    <Exposure name="brackets" dimension="none"/>
    <Dynamics>
      <StateVariable name="plain" dimension="none" exposure="plain"/>
      <StateVariable name="brackets" dimension="none" exposure="brackets"/>
      <TimeDerivative variable="plain" value="rate * (5 - 1*2 - 1)"/>
      <TimeDerivative variable="brackets" value="rate * (5 - (1*2) - 1)"/>
    </Dynamics>
  </ComponentType>
  <ComponentType name="Simulation">
    <Parameter name="length" dimension="time"/>
    <Parameter name="step" dimension="time"/>
    <ComponentReference name="target" type="Cell"/>
    <Dynamics><StateVariable name="t" dimension="time"/></Dynamics>
    <Simulation><Run component="target" variable="t" increment="step" total="length"/></Simulation>
  </ComponentType>
  <Cell id="cell" rate="1per_s"/>
  <Simulation id="sim" length="1s" step="1ms" target="cell"/>
</Lems>
XML

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

from lems.model.model import Model
from lems.parser.expr import ExprParser
from lems.sim.build import SimulationBuilder

print(f"pylems {version('pylems')}")
values = {"a": 5.0, "b": 1.0, "c": 2.0, "d": 1.0}
WRONG = {"a - b*c - d": 4, "a - b*c + d": 2, "a - c^2 - d": 2, "a - c/b - d": 4}
RIGHT = ("a - (b*c) - d", "a - b - d", "a + b*c - d", "a - b*c^2 - d")

def read(expression):
    """The value of an expression as PyLEMS reads it."""
    return eval(ExprParser(expression).parse().to_python_expr().replace("^", "**"), {}, values)

seen = {}
for expression in (*WRONG, *RIGHT):
    seen[expression] = read(expression), eval(expression.replace("^", "**"), {}, values)
    print(f"{expression}: expected {seen[expression][1]:g}, seen {seen[expression][0]:g}")

model = Model(include_includes=False)
model.import_from_file("model.xml")
simulation = SimulationBuilder(model.resolve()).build()
simulation.run()
cell = simulation.runnables["cell_sim"]
print(f"after 1 s, derivative 5 - 1*2 - 1: expected 2, seen {cell.plain:.2f}; with brackets {cell.brackets:.2f}")

if any(seen[expression][0] != seen[expression][1] for expression in RIGHT) or abs(cell.brackets - 2) > 0.02:
    sys.exit("changed: expressions with brackets, or without a product behind a minus, are no longer right")
if any(seen[expression][0] != value for expression, value in WRONG.items()) or abs(cell.plain - 4) > 0.02:
    sys.exit("changed: what comes after a product and a minus")
print("as stated")
PY
