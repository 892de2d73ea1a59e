#!/usr/bin/env bash
# Version: nir 1.0.8, torch 2.13.0.
#
# Behaviour: a Conv2d node knows the shapes of its input and output from its weights and the size of its input. The
# output is computed with the height of the kernel in both directions, and the number of input channels is taken from
# the weights, where it is that of one group. Graphs are built on these shapes: `from_list` makes its Input and Output
# nodes of them, and the check of types, by default on when a file is read, compares them with the neighbours'.
#
# Seen: an input of 4 channels, 12 x 10. A kernel of 3 x 5 gives 10 x 6 in PyTorch and 10 x 8 in NIR; 4 groups need
# 4 input channels and NIR says 1. Input and Output nodes of `from_list` have these shapes, in the file as well. A
# right graph, with the shapes that PyTorch has, is written and cannot be read: the shapes do not match.
#
# Why it matters: depthwise convolutions, and kernels along one axis for audio, are common in networks for chips. A
# tool that takes sizes from the file builds other layers, and who gives the right ones has the file refused.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 nir==1.0.8 torch==2.13.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import nir
import numpy as np
import torch

print(*(f"{name} {version(name)}" for name in ("nir", "torch")))
CHANNELS, SIZE = 4, (12, 10)

def shapes(kernel, groups):
    layer = torch.nn.Conv2d(CHANNELS, CHANNELS, kernel, groups=groups)
    expected = ((CHANNELS, *SIZE), tuple(layer(torch.zeros(1, CHANNELS, *SIZE)).shape[1:]))
    node = nir.Conv2d(input_shape=SIZE, weight=layer.weight.detach().numpy(), stride=1, padding=0, dilation=1,
                      groups=groups, bias=layer.bias.detach().numpy())
    nir.write("list.nir", nir.NIRGraph.from_list(node))
    nodes = nir.read("list.nir").nodes
    seen = tuple(tuple(int(size) for size in shape) for shape in
                 (nodes["input"].input_type["input"], nodes["output"].output_type["output"]))
    graph = nir.NIRGraph(
        nodes={"input": nir.Input({"input": np.array(expected[0])}), "conv": node,
               "output": nir.Output({"output": np.array(expected[1])})},
        edges=[("input", "conv"), ("conv", "output")], type_check=False)
    nir.write("right.nir", graph)
    try:
        nir.read("right.nir")
        readable = True
    except ValueError as error:
        readable = str(error)
    return expected, seen, readable

right = {}
for kernel, groups in (((3, 3), 1), ((3, 5), 1), ((3, 3), 4)):
    expected, seen, readable = shapes(kernel, groups)
    right[kernel, groups] = [a == b for a, b in zip(expected, seen)] + [readable is True]
    print(f"kernel {kernel}, {groups} group(s): expected {expected[0]} -> {expected[1]}, "
          f"in the file of from_list {seen[0]} -> {seen[1]}")
    print(f"  the graph with the right shapes can be read: {readable}")

if right != {((3, 3), 1): [True] * 3, ((3, 5), 1): [True, False, False], ((3, 3), 4): [False, True, False]}:
    sys.exit(f"changed: other shapes are right: {right}")
print("as stated")
PY
