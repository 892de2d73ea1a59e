"""The measurements on a model that several criteria share."""

from typing import NamedTuple

from keras import ops

from keras_bsd._types import Model, Tensor
from keras_bsd.audit._dependence import signalling_layers, waiting_stages, weights_of_errors
from keras_bsd.audit._locality import Reach, measure_reach
from keras_bsd.audit._signals import Signal, record_signals
from keras_bsd.audit._updates import Update, recompute_updates
from keras_bsd.layers._stage import stage_names


class Evidence(NamedTuple):
    """A compiled model, a batch, and what was measured on them.

    Attributes:
        model, x, y: the model and the batch.
        signals: between stages, and from feedback layers.
        reaches: the weights that each loss reaches.
        updates: those recomputed from signals at the synapse.
        waiting: names of the encoder's stages whose update depends on later stages.
        aligned: `id`s of the weights whose gradient depends on the weights of feedback layers.
    """

    model: Model
    x: Tensor
    y: Tensor
    signals: list[Signal]
    reaches: list[Reach]
    updates: list[Update]
    waiting: list[str]
    aligned: set[int]

    @property
    def crossed(self) -> dict[str, bool]:
        """Names of encoder stages that other stages' errors reach, and whether by the transposed weights."""
        reached = {path for reach in self.reaches for path in reach.foreign}
        stages = {}
        for stage, name in stage_names(self.model.encoder).items():
            weights = [weight for weight in stage.trainable_weights if weight.path in reached]
            if weights:
                stages[name] = not any(id(weight) in self.aligned for weight in weights)
        return stages


def gather_evidence(model, x, y):
    """Return the `Evidence` of a compiled model on a batch of arrays. The model does not change."""
    x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
    signals = record_signals(model, x, y, signalling_layers(model, x, y))
    reaches, gradient = measure_reach(model, x, y)
    return Evidence(
        model,
        x,
        y,
        signals,
        reaches,
        recompute_updates(model, x, y, gradient),
        waiting_stages(model, x, y),
        weights_of_errors(model, x, y, gradient),
    )
