"""A weight's update made anew from what its synapse has: presynaptic rates and the local error."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_bsd._backend import compiled, gradients
from keras_bsd._observe import arrays, observe
from keras_bsd.audit._locality import by_weights, losses, owners
from keras_bsd.layers._stage import Stage


class Update(NamedTuple):
    """How near the update of one layer of a synapse comes to the product of presynaptic signal and error."""

    stage: str
    layer: str
    presynaptic: str  # "stimulus", "rates", "spikes", or "other"
    difference: float  # from the training step's gradient, in units of the largest of it


class _Call(NamedTuple):
    layer: keras.layers.Layer
    inputs: np.ndarray
    zeros: object  # a tensor of the shape of its outputs


def rebuild(model, x, y, gradient):
    """Make the update of every kernel anew, stage by stage.

    The error is the gradient of the stage's own loss at the outputs of the layer that holds the kernel;
    the update is its product with that layer's inputs, as one layer alone gives it.

    Args:
        model: `keras_bsd.BSDModel`, compiled.
        x, y: stimuli and targets, `(batch, ...)`.
        gradient: dict from the `id` of a weight to what the training step has as its gradient.

    Returns:
        A list of `Update`, one for each layer with a kernel that learns. The model stays as it is.
    """
    stages = {layer: None for _, layers in owners(model) for layer in layers if isinstance(layer, Stage)}
    stage_of = {layer: stage for stage in stages for layer in stage.synapse.layers if _has_kernel(layer)}
    calls, presynaptic = _calls(model, x, y, stage_of, stages)
    errors = _errors(model, x, y, stage_of, calls)
    found = []
    for layer, stage in stage_of.items():
        used = [
            (call.inputs, ops.convert_to_tensor(error))
            for call, error in zip(calls, errors, strict=True)
            if call.layer is layer and np.any(error)
        ]
        actual = [gradient[id(weight)] for weight in layer.trainable_weights]
        largest = max(float(np.abs(update).max(initial=0)) for update in actual)
        if not used and not largest:
            continue
        made = arrays(_product(layer, used))
        apart = max(float(np.abs(a - b).max()) for a, b in zip(made, actual, strict=True))
        kinds = {_kind(stage, inputs, presynaptic[stage]) for inputs, _ in used}
        found.append(Update(stage.name, layer.name, " and ".join(sorted(kinds)), apart / (largest or 1.0)))
    return found


def _has_kernel(layer):
    return any(len(weight.shape) > 1 for weight in layer.trainable_weights)


def _calls(model, x, y, stage_of, stages):
    """Every call of the layers in `stage_of` during a step, and what came into each stage."""
    called, entered = [], []

    def run(x, y):
        tensors, inward = [], []

        def note(layer, arguments, outputs):
            first = keras.tree.flatten(arguments[0])[0]
            if layer in stages:
                entered.append(layer)
                inward.append(first)
            else:
                called.append(layer)
                tensors.append((first, ops.zeros_like(outputs)))
            return outputs

        with observe([*stage_of, *stages], note), keras.StatelessScope():
            model.distil(x, y)
        return tensors, inward

    tensors, inward = compiled(run)(x, y)
    calls = [_Call(layer, *arrays(a), zeros) for layer, (a, zeros) in zip(called, tensors, strict=True)]
    return calls, dict(zip(entered, arrays(inward), strict=True))


def _errors(model, x, y, stage_of, calls):
    """For each call the gradient of its own stage's loss at what it gave."""

    def with_probes(*probes):
        probe = iter(probes)
        with observe(stage_of, lambda layer, arguments, outputs: outputs + next(probe)), keras.StatelessScope():
            return losses(model.distil(x, y))

    errors = [0.0] * len(calls)
    rows = gradients(with_probes, [call.zeros for call in calls])
    for (_, stages), row in zip(owners(model), rows, strict=True):
        for i, (call, error) in enumerate(zip(calls, arrays(row), strict=True)):
            if stage_of[call.layer] in stages:
                errors[i] = error
    return errors


def _product(layer, used):
    """What presynaptic signals and errors at a layer make of its weights' gradients."""

    def correlation():
        products = (layer(ops.convert_to_tensor(inputs), training=True) * error for inputs, error in used)
        return [sum(map(ops.sum, products), ops.zeros(()))]

    return next(by_weights(correlation, layer.trainable_weights))


def _kind(stage, inputs, presynaptic):
    held = getattr(stage, "timesteps", None) is not None
    if held and _equal(inputs, presynaptic):
        return "stimulus"
    if not held and _equal(inputs, presynaptic.mean(axis=1, dtype="float32")):
        return "rates"
    return "spikes" if _equal(inputs, presynaptic) else "other"


def _equal(a, b):
    """Whether two arrays hold the same numbers in the same order, up to one factor."""
    if a.size != b.size:
        return False
    a, b = (v.ravel().astype("float64") / (np.abs(v).max() or 1) for v in (a, b))
    return np.allclose(a, b, atol=1e-2)
