"""Conversion of Keras on TensorFlow to an ONNX graph."""

import logging

import onnx
import tensorflow as tf
import tf2onnx

from keras_bsd.export._logs import muted
from keras_bsd.export._refusals import check_assigns_nothing, refusal


def convert(model, program, opset):
    """Return an ONNX model of a program, for batches of any size.

    Args:
        model: built functional or Sequential Keras model.
        program: its `Program`.
        opset: int.

    Raises:
        ValueError: a layer cannot be expressed in ONNX.
    """
    # TensorFlow allows no slash in an input's name.
    names = {f"input_{i}": name for i, name in enumerate(program.inputs)}
    specs = [
        tf.TensorSpec((None, *shape), dtype, name)
        for name, (shape, dtype) in zip(names, program.inputs.values(), strict=True)
    ]

    @tf.function(input_signature=specs, autograph=False)
    def serve(*tensors):
        return program.call(dict(zip(program.inputs, tensors, strict=True)))

    check_assigns_nothing(serve.get_concrete_function().graph, model)
    # tf2onnx logs operations that it cannot convert, and leaves them in the graph.
    with muted(logging.getLogger("tf2onnx")):
        proto, _ = tf2onnx.convert.from_function(serve, specs, opset)
    for node in _nodes(proto.graph):
        if not node.domain and not onnx.defs.has(node.op_type, max_inclusive_version=opset):
            raise refusal(model, node.name, f"tf2onnx cannot convert its operation {node.op_type}")
    for value in proto.graph.input:
        value.name = names[value.name]
    for node in _nodes(proto.graph):
        node.input[:] = [names.get(name, name) for name in node.input]
    for value in [*proto.graph.input, *proto.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return proto


def _nodes(graph):
    """Yield all nodes, those of loops and branches included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g)
