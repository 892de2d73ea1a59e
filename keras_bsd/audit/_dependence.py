"""What updates depend on beside their own stage: later stages, and the weights that errors pass through."""

import keras
import numpy as np
from keras import ops

from keras_bsd._backend import compiled, gradients
from keras_bsd._observe import arrays, observe
from keras_bsd.audit._locality import gradients_by_weights
from keras_bsd.layers import SpikingStage, Stage
from keras_bsd.layers._stage import flatten_stages, stage_names


def backward_networks(model):
    """Return the networks and layers that send a stage what it learns from: the decoder, or feedback layers."""
    return [model.decoder] if hasattr(model, "decoder") else list(model.feedback)


def waiting_stages(model, x, y):
    """Return the names of the encoder's spiking stages whose update depends on the activity of later stages.

    A later stage's layer that the decoder has too goes on being active: the decoder does not wait for it.

    Args:
        model: `SpikingModel`, compiled.
        x, y: stimuli and targets, `(batch, ...)`.
    """
    names, stages = stage_names(model.encoder), flatten_stages(model.encoder, Stage)
    spiking = [stage for stage in stages if isinstance(stage, SpikingStage)]
    weights = [weight for stage in spiking for weight in stage.trainable_weights]
    backward = {id(layer) for network in backward_networks(model) for layer in network._flatten_layers()}

    def totals(*values):
        """Return the sum of all losses as it is, and with the stages behind each one muted."""
        results = []
        for muted in ([], *(stages[stages.index(stage) + 1 :] for stage in spiking)):
            layers = [layer for stage in muted for layer in _parts(stage) if id(layer) not in backward]
            with keras.StatelessScope(zip(weights, values, strict=True)), observe(layers, _mute):
                results.append(model.compute_step(x, y).total)
        return results

    unmuted, *rows = map(arrays, gradients(totals, [weight.value for weight in weights]))
    return [
        names[stage]
        for stage, row in zip(spiking, rows, strict=True)
        if any(
            not np.array_equal(a, b)
            for weight, a, b in zip(weights, unmuted, row, strict=True)
            if any(weight is own for own in stage.trainable_weights)
        )
    ]


def _parts(stage):
    """Return a stage and the layers of its synapse: its representation is no output of the stage."""
    return [stage, *(layer for network in stage.connections() for layer in network.layers)]


def _mute(stage, arguments, outputs):
    return keras.tree.map_structure(ops.zeros_like, outputs)


def signalling_layers(model, x, y):
    """Return the layers of `model.feedback` whose outputs are signals that a loss depends on.

    A layer of which only the gradient is used sends none.

    Args:
        model, x, y: see `waiting_stages`.
    """
    if not model.feedback:
        return []

    def values(x, y):
        with keras.StatelessScope():
            losses = model.compute_step(x, y).losses
        with observe(model.feedback, _mute), keras.StatelessScope():
            return losses, model.compute_step(x, y).losses

    losses, muted = compiled(values)(x, y)
    return [] if np.array_equal(arrays(losses), arrays(muted)) else list(model.feedback)


def weights_of_errors(model, x, y, gradient):
    """Return the `id`s of the encoder's weights whose gradient depends on the kernels of `model.feedback`.

    Args:
        model, x, y: see `waiting_stages`.
        gradient: dict from the `id` of a weight to its gradient in the training step.
    """
    if not model.feedback:
        return set()
    weights = model.encoder.trainable_weights
    kernels = [weight for layer in model.feedback for weight in layer.weights]
    doubled = [(kernel, 2 * kernel.value) for kernel in kernels]  # a sign could cancel between two layers
    (row,) = gradients_by_weights(lambda: [model.compute_step(x, y).total], weights, doubled)
    changed = zip(weights, arrays(row), strict=True)
    return {id(weight) for weight, values in changed if not np.array_equal(values, gradient[id(weight)])}
