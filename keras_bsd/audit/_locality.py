"""The weights that the gradient of each stage's loss reaches."""

from typing import NamedTuple

import keras
import numpy as np

from keras_bsd._backend import gradients
from keras_bsd._observe import arrays


class Reach(NamedTuple):
    """The gradients of one loss by the weights of all stages."""

    loss: str
    own: float  # maximum over the weights that are to learn from the loss
    foreign: dict[str, float]  # path of every other weight with a gradient, and the maximum of that gradient


def gradients_by_weights(function, weights, others=()):
    """Yield the gradients by Keras variables of each scalar that `function()` lists.

    Args:
        function: function without arguments.
        weights: list of variables.
        others: pairs of another variable and the value that it has while the function runs.
    """

    def stateless(*values):
        with keras.StatelessScope([*zip(weights, values, strict=True), *others]):
            return function()

    return gradients(stateless, [weight.value for weight in weights])


def measure_reach(model, x, y):
    """Measure which weights learn from each loss of a training step.

    Args:
        model: `SpikingModel`, compiled.
        x, y: stimuli and targets, `(batch, ...)`.

    Returns:
        A list of `Reach`, one for each loss, and a dict from the `id` of each trainable weight to the gradient
        of the sum of all losses. The model does not change.
    """
    weights = model.trainable_variables
    reaches, total = [], dict.fromkeys(map(id, weights), 0.0)
    rows = gradients_by_weights(lambda: model.compute_step(x, y).losses, weights)
    for (name, layers), row in zip(model.owners(), rows, strict=True):
        own_weights = {id(weight) for layer in layers for weight in layer.trainable_weights}
        own, foreign = 0.0, {}
        for weight, gradient in zip(weights, arrays(row), strict=True):
            total[id(weight)] = total[id(weight)] + gradient
            size = float(np.abs(gradient).max(initial=0))
            if id(weight) in own_weights:
                own = max(own, size)
            elif size or np.isnan(size):
                foreign[weight.path] = size
        reaches.append(Reach(name, own, foreign))
    return reaches, total
