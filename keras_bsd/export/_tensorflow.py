"""From Keras on TensorFlow to an ONNX graph."""

import contextlib
import logging
import re

import keras
import onnx
import tensorflow as tf
import tf2onnx
from keras import ops

from keras_bsd.export import observation
from keras_bsd.layers.stages import flatten_stages

EXTRA_OUTPUTS = {  # what is made of a stage's spikes (batch, time, ...)
    "spike_counts": lambda spikes: ops.sum(spikes, axis=1),
    "firing_rates": lambda spikes: ops.mean(spikes, axis=range(1, len(spikes.shape))),
}


def graph(model, outputs, opset):
    """An ONNX model of what `model` computes at inference, its batch of any size.

    Args:
        model: built functional or Sequential Keras model.
        outputs: names, `"scores"` or of `EXTRA_OUTPUTS`.
        opset: int.

    Raises:
        ValueError: ONNX cannot say what a layer does.
    """
    stimulus = model.inputs[0]
    signature = [tf.TensorSpec((None, *stimulus.shape[1:]), stimulus.dtype, name="stimulus")]

    @tf.function(input_signature=signature, autograph=False)
    def serve(stimulus):
        scores, trains = observation.observe(model, stimulus, observation.spike_trains)
        extra = {
            f"{kind}/{stage}": EXTRA_OUTPUTS[kind](spikes)
            for kind in outputs
            if kind in EXTRA_OUTPUTS
            for stage, spikes in trains.items()
        }
        return {"scores": scores, **extra} if "scores" in outputs else extra

    for operation in serve.get_concrete_function().graph.get_operations():
        if "Assign" in operation.type:
            raise _refusal(model, operation.name, "it changes its state at inference")
    with _silent(logging.getLogger("tf2onnx")):
        proto, _ = tf2onnx.convert.from_function(serve, signature, opset)
    for node in _nodes(proto.graph):
        if not node.domain and not onnx.defs.has(node.op_type, max_inclusive_version=opset):
            raise _refusal(model, node.name, f"tf2onnx finds nothing in ONNX for its {node.op_type}")
    for value in [*proto.graph.input, *proto.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return proto


def _nodes(graph):
    """All nodes, those of loops and branches included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g)


def _refusal(model, node, why):
    if "TensorList" in why or "While" in why:
        why = f"{why}. Time loops need a known number of steps, as in keras.Input((timesteps, ...))"
    scopes = node.split("/")
    names = [layer.name for layer in flatten_stages(model, keras.layers.Layer)]
    named = [name for name in names if any(re.fullmatch(rf"{re.escape(name)}(_\d+)?", s) for s in scopes)]
    layer = max(named, key=len, default=model.name)
    return ValueError(f"Layer '{layer}' cannot be exported: {why}. Received: operation {node!r}")


@contextlib.contextmanager
def _silent(logger):
    """tf2onnx logs what it cannot convert and goes on; the caller looks for it and raises."""
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
