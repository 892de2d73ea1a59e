"""What the gradient of each stage's loss reaches."""

from typing import NamedTuple

import keras
import numpy as np

from keras_bsd._backend import gradients
from keras_bsd._observe import arrays
from keras_bsd.layers._readout import Readout
from keras_bsd.layers._stage import flatten_stages


class Reach(NamedTuple):
    """What one loss does to the weights of all stages."""

    loss: str
    own: float  # largest gradient among the weights that are to learn from it
    foreign: dict  # path of every other weight with a gradient, and the largest of it


def owners(model):
    """For each loss of a step its name and the layers that are to learn from it, in the order of `losses`."""
    readouts = [[readout] for readout in model.stage_readouts] or [[]] * len(model.encoder_stages)
    pairs = zip(model.encoder_stages, model.decoder_stages, readouts, strict=True)
    return [
        ("task loss", flatten_stages(model.encoder, Readout)),
        ("recall loss", flatten_stages(model.decoder, Readout)),
        *((f"loss of stage '{stage.name}'", [stage, teacher, *own]) for stage, teacher, own in pairs),
    ]


def losses(step):
    """The losses of a `Distillation`."""
    return [step.task_loss, step.recall_loss, *step.stage_losses]


def by_weights(function, weights):
    """As `gradients`, of a function without arguments, by the values of Keras variables."""

    def stateless(*values):
        with keras.StatelessScope(zip(weights, values, strict=True)):
            return function()

    return gradients(stateless, [weight.value for weight in weights])


def reach(model, x, y):
    """Which weights learn from each loss of a training step.

    Args:
        model: `keras_bsd.BSDModel`, compiled.
        x, y: stimuli and targets, `(batch, ...)`.

    Returns:
        A list of `Reach`, one for each loss, and a dict from the `id` of each trainable weight to the
        gradient of all losses together. The model stays as it is.
    """
    weights = model.trainable_variables
    reaches, total = [], dict.fromkeys(map(id, weights), 0.0)
    rows = by_weights(lambda: losses(model.distil(x, y)), weights)
    for (name, layers), row in zip(owners(model), rows, strict=True):
        own = {id(weight) for layer in layers for weight in layer.trainable_weights}
        sizes = {"own": [0.0], "foreign": {}}
        for weight, gradient in zip(weights, arrays(row), strict=True):
            total[id(weight)] = total[id(weight)] + gradient
            size = float(np.abs(gradient).max(initial=0))
            if id(weight) in own:
                sizes["own"].append(size)
            elif size or np.isnan(size):
                sizes["foreign"][weight.path] = size
        reaches.append(Reach(name, max(sizes["own"]), sizes["foreign"]))
    return reaches, total
