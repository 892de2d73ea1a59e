"""A weight's update, recomputed from the signals at its synapse: presynaptic rates and the local error."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_bsd._backend import compiled, gradients
from keras_bsd._observe import arrays, observe
from keras_bsd._types import Array, Layer
from keras_bsd.audit._locality import gradients_by_weights
from keras_bsd.audit._networks import stages_by_network
from keras_bsd.layers import Stage


class Update(NamedTuple):
    """Comparison of a synapse layer's update with the product of presynaptic signal and local error."""

    stage: str
    layer: str
    presynaptic: str  # "stimulus", "rates", "spikes" or "other", or several of them
    difference: float  # maximum difference from the training step's gradient, relative to its maximum


class _Call(NamedTuple):
    layer: Layer
    inputs: Array
    zeros: Any  # a tensor of the shape of the outputs


def recompute_updates(model, x, y, gradient):
    """Recompute the update of every kernel, stage by stage.

    The error is the gradient of the stage's own loss at the outputs of the layer that holds the kernel. The
    update is its product with that layer's inputs, computed by that layer alone.

    Args:
        model: `SpikingModel`, compiled.
        x, y: stimuli and targets, `(batch, ...)`.
        gradient: dict from the `id` of a weight to its gradient in the training step.

    Returns:
        A list of `Update`, one for each trainable layer with a kernel. The model does not change.
    """
    stages = {layer: None for _, layers in model.owners() for layer in layers if isinstance(layer, Stage)}
    stage_of = {
        layer: stage
        for stage in stages
        for network in stage.connections()
        for layer in network.layers
        if _has_kernel(layer)
    }
    calls, presynaptic = _record_calls(model, x, y, stage_of, stages)
    errors = _local_errors(model, x, y, stage_of, calls)
    updates = []
    names = {stage: name for stages in stages_by_network(model).values() for stage, name in stages.items()}
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
        recomputed = arrays(_product(layer, used))
        difference = max(float(np.abs(a - b).max()) for a, b in zip(recomputed, actual, strict=True))
        kinds = {_kind(stage, inputs, presynaptic[stage]) for inputs, _ in used}
        updates.append(
            Update(names[stage], layer.name, " and ".join(sorted(kinds)), difference / (largest or 1.0))
        )
    return updates


def _has_kernel(layer):
    return any(len(weight.shape) > 1 for weight in layer.trainable_weights)


def _record_calls(model, x, y, stage_of, stages):
    """Return every call of the layers in `stage_of` during a step, and the list of inputs of each stage."""
    called, entered = [], []

    def run(x, y):
        tensors, stage_inputs = [], []

        def record(layer, arguments, outputs):
            inputs = keras.tree.flatten(arguments[0])
            if layer in stages:
                entered.append(layer)
                stage_inputs.append(inputs)
            else:
                called.append(layer)
                tensors.append((inputs[0], ops.zeros_like(outputs)))
            return outputs

        with observe([*stage_of, *stages], record), keras.StatelessScope():
            model.compute_step(x, y)
        return tensors, stage_inputs

    tensors, stage_inputs = compiled(run)(x, y)
    calls = [
        _Call(layer, *arrays(inputs), zeros) for layer, (inputs, zeros) in zip(called, tensors, strict=True)
    ]
    return calls, dict(zip(entered, map(arrays, stage_inputs), strict=True))


def _local_errors(model, x, y, stage_of, calls):
    """Return for each call the gradient of its own stage's loss at its outputs."""

    def with_probes(*probes):
        remaining = iter(probes)

        def add_probe(layer, arguments, outputs):
            return outputs + next(remaining)

        with observe(stage_of, add_probe), keras.StatelessScope():
            return model.compute_step(x, y).losses

    errors = [0.0] * len(calls)
    rows = gradients(with_probes, [call.zeros for call in calls])
    for (_, stages), row in zip(model.owners(), rows, strict=True):
        for i, (call, error) in enumerate(zip(calls, arrays(row), strict=True)):
            if stage_of[call.layer] in stages:
                errors[i] = error
    return errors


def _product(layer, used):
    """Return the gradients of a layer's weights by its presynaptic signals and the errors at its outputs."""

    def correlation():
        products = (layer(ops.convert_to_tensor(inputs), training=True) * error for inputs, error in used)
        return [sum(map(ops.sum, products), ops.zeros(()))]

    return next(gradients_by_weights(correlation, layer.trainable_weights))


def _kind(stage, inputs, presynaptic):
    first, *held = presynaptic
    if getattr(stage, "timesteps", None) is not None:
        held = presynaptic
    elif _are_proportional(inputs, first.mean(axis=1, dtype="float32")):
        return "rates"
    if any(_are_proportional(inputs, values) for values in held):
        return "stimulus"
    return "spikes" if _are_proportional(inputs, first) else "other"


def _are_proportional(a, b):
    """Return whether two arrays hold the same values in the same order, up to one factor."""
    if a.size != b.size:
        return False
    a, b = (v.ravel().astype("float64") / (np.abs(v).max() or 1) for v in (a, b))
    return np.allclose(a, b, atol=1e-2)
