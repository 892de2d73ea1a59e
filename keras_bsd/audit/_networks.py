"""Helpers for the networks that are audited."""

import contextlib

import numpy as np

from keras_bsd import _checks
from keras_bsd._arrays import check_finite
from keras_bsd._observe import arrays
from keras_bsd.layers._stage import stage_names


def fits(x, network):
    """Return whether an array is a batch of the network's inputs; axes of size None may have any length."""
    return x.ndim > 0 and _checks.shape_matches(x.shape[1:], network.input_shape[1:])


def check_stimuli(x, model):
    """Raise unless an array can be stimuli of a model: finite, and in the range of a pair."""
    guard = getattr(model, "_guard", None)
    if guard is None:
        check_finite("x", x)
    else:
        guard.checks.check_stimuli(x)


def stages_by_network(model):
    """Return a dict from `"encoder"` and `"decoder"` to a dict from that network's stages to their names."""
    return {name: stage_names(getattr(model, name)) for name in ("encoder", "decoder")}


@contextlib.contextmanager
def unchanged(model):
    """Let a compiled model learn within the block, and restore its variables afterwards."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    before = [np.array(array) for array in arrays(variables)]
    try:
        yield
    finally:
        model.reset_metrics()  # also those that were created within the block
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
