"""Errors that name the layer of TensorFlow's graph which a format cannot express."""

import re

from keras_bsd.layers._stage import walk


def check_assigns_nothing(graph, model):
    """Raise a ValueError if a graph of TensorFlow changes a variable: a file has none.

    Args:
        graph: `tf.Graph`.
        model: the Keras model that it computes.
    """
    for operation in graph.get_operations():
        if "Assign" in operation.type:
            raise refusal(model, operation.name, "it changes its state at inference")


def refusal(model, node, why):
    """Return a ValueError that names the layer of a node, by the node's name."""
    if "TensorList" in why or "While" in why:
        why = f"{why}. Time loops need a known number of steps, as in keras.Input((timesteps, ...))"
    scopes = node.split("/")
    names = [layer.name for layer in walk(model)]
    named = [name for name in names if any(re.fullmatch(rf"{re.escape(name)}(_\d+)?", s) for s in scopes)]
    layer = max(named, key=len, default=model.name)
    return ValueError(f"Layer '{layer}' cannot be exported: {why}. Received: operation {node!r}")
