"""Fewer operations for the same numbers: time loops as runtimes execute them best.

A small network spends most of its time between operations. No change here alters a number that is computed
from finite ones.
"""

from collections import defaultdict

import numpy as np
from onnx import helper, numpy_helper, shape_inference

ELEMENTWISE = {
    *("Abs", "Add", "And", "Cast", "Div", "Equal", "Exp", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
    *("Max", "Min", "Mul", "Neg", "Not", "Or", "Reciprocal", "Relu", "Sign", "Sqrt", "Sub", "Where"),
}
TO_THE_END = 2**31 - 1


def simplify(proto):
    """Simplify an ONNX model without loops or branches in place."""
    if any(
        len(attribute.graphs) or attribute.HasField("g") for n in proto.graph.node for attribute in n.attribute
    ):
        return
    graph = _Graph(proto)
    graph.make_depths_scalar()
    graph.split_time()
    graph.keep_time_axis()
    graph.compare_with_threshold()
    graph.write()


class _Graph:
    """The nodes of a graph in order, and its constants and shapes by name."""

    def __init__(self, proto):
        self.graph = proto.graph
        self.nodes = list(self.graph.node)
        self.constants = {value.name: value for value in self.graph.initializer}
        self.outputs = {value.name for value in self.graph.output}
        inferred = shape_inference.infer_shapes(proto).graph
        self.shapes = {
            value.name: [dim.dim_value or None for dim in value.type.tensor_type.shape.dim]
            for value in (*inferred.value_info, *inferred.input, *inferred.output)
            if value.type.tensor_type.HasField("shape")
        }

    def constant(self, name):
        """Return the array of a constant, or None."""
        return numpy_helper.to_array(self.constants[name]) if name in self.constants else None

    def add_constant(self, name, value):
        """Return the name of a constant, new or not."""
        return self.constants.setdefault(name, numpy_helper.from_array(value, name)).name

    def producers(self):
        """Return a dict from the name of each computed tensor to its node."""
        return {name: node for node in self.nodes for name in node.output}

    def rename_inputs(self, names):
        """Let all nodes read other tensors, by a dict of names."""
        for node in self.nodes:
            node.input[:] = [names.get(name, name) for name in node.input]

    def make_depths_scalar(self):
        """Give `OneHot` a scalar, since ONNX's own evaluator fails on the equivalent vector of one number."""
        for node in self.nodes:
            depth = self.constant(node.input[1]) if node.op_type == "OneHot" else None
            if depth is not None and depth.ndim:
                node.input[1] = self.add_constant(f"{node.input[1]}/scalar", depth.reshape(()))

    def split_time(self):
        """Take all time steps apart by one operation, and by none where a stimulus is held."""
        slices = defaultdict(dict)
        for node in self.nodes:
            if node.op_type == "Slice" and (step := self._time_step(node)) is not None:
                slices[node.input[0]].setdefault(step, node)
        producers = self.producers()
        for source, nodes in slices.items():
            steps, held = self.shapes[source][1], self._held(producers.get(source))
            if held is not None:
                self.rename_inputs({node.output[0]: held for node in nodes.values()})
            elif len(nodes) == steps > 1:
                self._replace_by_split(source, [nodes[t] for t in range(steps)])

    def _time_step(self, node):
        """Return the time step that a `Slice` takes from axis 1, or None if it does anything else."""
        values, shape = [self.constant(name) for name in node.input[1:]], self.shapes.get(node.input[0])
        if len(values) < 3 or any(value is None for value in values) or not shape or len(shape) < 2:
            return None
        starts, ends, axes, *strides = (value.tolist() for value in values)
        if any(set(stride) != {1} for stride in strides):
            return None
        found = None
        for start, end, axis in zip(starts, ends, axes, strict=True):
            if axis == 1 and shape[1] and 0 <= start < shape[1] and end == start + 1:
                found = start
            elif start != 0 or end < TO_THE_END:
                return None
        return found

    def _held(self, node):
        """Return the name of the only time step of an `Add` that repeats it by zeros `(1, time, 1, ...)`."""
        if node is None or node.op_type != "Add":
            return None
        for held, zeros in (node.input, reversed(node.input)):
            value, shape = self.constant(zeros), self.shapes.get(held)
            if value is None or shape is None or value.any() or value.ndim != len(shape) or shape[1] != 1:
                continue
            return held if value.size == value.shape[1] else None
        return None

    def _replace_by_split(self, source, nodes):
        first = min(self.nodes.index(node) for node in nodes)
        sizes = self.add_constant(f"ones/{len(nodes)}", np.ones(len(nodes), "int64"))
        names = [node.output[0] for node in nodes]
        split = helper.make_node("Split", [source, sizes], names, self.nodes[first].name, axis=1)
        self.nodes[first : first + 1] = [split]
        self.nodes = [node for node in self.nodes if node is split or not {*node.output} & {*names}]

    def keep_time_axis(self):
        """Let neurons that are vectors compute on `(batch, 1, units)`, without removing and adding the axis.

        Maps keep four axes, for which runtimes have layouts of their own.
        """
        with_axis, waiting, same, nodes = {}, {}, {}, []  # by the name of a tensor without the axis
        for node in self.nodes:
            node.input[:] = [same.get(name, name) for name in node.input]
            name = node.output[0]
            if self._removes_time_axis(node) and name not in self.outputs:
                with_axis[name], waiting[name] = node.input[0], node
            elif self._adds_time_axis(node) and node.input[0] in with_axis and name not in self.outputs:
                same[name] = with_axis[node.input[0]]
            elif self._works_with_time_axis(node, with_axis) and name not in self.outputs:
                with_axis[name] = f"{name}/step"
                axes = self.add_constant("time_axis", np.array([1], "int64"))
                waiting[name] = helper.make_node("Squeeze", [with_axis[name], axes], [name], node.name)
                node.input[:] = [with_axis.get(value, value) for value in node.input]
                node.output[0] = with_axis[name]
                nodes.append(node)
            else:
                nodes += [waiting.pop(value) for value in dict.fromkeys(node.input) if value in waiting]
                nodes.append(node)
        self.nodes = nodes

    def _removes_time_axis(self, node):
        shape = self.shapes.get(node.input[0], []) if node.input else []
        return node.op_type == "Squeeze" and self._axes(node) == [1] and len(shape) == 3

    def _adds_time_axis(self, node):
        return node.op_type == "Unsqueeze" and self._axes(node) == [1]

    def _axes(self, node):
        value = self.constant(node.input[1]) if len(node.input) > 1 else None
        return None if value is None else value.tolist()

    def _works_with_time_axis(self, node, with_axis):
        """Return whether an operation does the same on `(batch, 1, units)` as on `(batch, units)`."""
        if node.op_type not in ELEMENTWISE or not any(name in with_axis for name in node.input):
            return False
        others = [self.constants.get(name) for name in node.input if name not in with_axis]
        return all(value is not None and len(value.dims) <= 1 for value in others)

    def compare_with_threshold(self):
        """Compare membranes with the threshold: their rounded difference has the sign of the exact one."""
        producers = self.producers()
        for node in self.nodes:
            if node.op_type != "GreaterOrEqual":
                continue
            difference, zero = producers.get(node.input[0]), self.constant(node.input[1])
            if difference is None or difference.op_type != "Sub" or zero is None or zero.ndim or zero.any():
                continue
            if zero.dtype.kind != "f":  # a difference of integers may wrap
                continue
            node.input[:] = difference.input

    def write(self):
        """Write the nodes that outputs depend on, and their constants."""
        needed, kept = set(self.outputs), []
        for node in reversed(self.nodes):
            if needed & set(node.output):
                needed |= set(node.input)
                kept.append(node)
        del self.graph.node[:], self.graph.initializer[:]
        self.graph.node.extend(reversed(kept))
        self.graph.initializer.extend(value for name, value in self.constants.items() if name in needed)
