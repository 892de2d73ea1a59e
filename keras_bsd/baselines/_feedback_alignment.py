"""Feedback alignment: errors are passed back through fixed random weights."""

from typing import Any

import keras
from keras import ops

from keras_bsd import _rules
from keras_bsd._backend.custom_gradient import with_gradient_of_both
from keras_bsd._types import Layer, Model, Tensor
from keras_bsd.baselines._backprop import Backprop
from keras_bsd.baselines._base import first_recurrent
from keras_bsd.baselines._traces import has_kernel
from keras_bsd.layers._readout import Readout
from keras_bsd.layers._stage import flatten_stages
from keras_bsd.models._spiking_model import Task


@keras.saving.register_keras_serializable("keras_bsd")
class FeedbackAlignment(Backprop):
    """Backpropagation through time in which errors pass from stage to stage through fixed random weights.

    For a stage with the error `delta` of its currents, the stage before it gets `B delta` in place of
    `transpose(W) delta`, with a `B` that is drawn once and does not learn. All else is backpropagation through
    time: no weights are transported, but signed errors still travel from stage to stage, in a phase of their
    own.

    Args:
        encoder, task, stimulus_range, check_numerics, **kwargs: see `Baseline`. The encoder has no recurrent
            stages.

    Attributes:
        feedback: list of layers with the random weights, one for each layer with a kernel behind the first
            stage.

    Example:

    >>> encoder = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6)).encoder
    >>> model = keras_bsd.baselines.FeedbackAlignment(encoder)
    >>> [tuple(layer.kernel.shape) for layer in model.feedback]
    [(8, 6), (6, 3)]

    Source: Lillicrap et al., "Random synaptic feedback weights support error backpropagation for deep
    learning", Nature Communications 2016; for spiking neurons, Samadi, Lillicrap and Tweed, "Deep learning with
    dynamic spiking neurons and fixed feedback weights", Neural Computation 2017.
    """

    title = "feedback alignment"

    def build_rule(self) -> None:
        self.feedback = [_twin(layer) for layer in self._aligned]

    @property
    def _aligned(self):
        """The layers whose inputs get their errors through `feedback`."""
        stages = [*self.encoder_stages[1:], *flatten_stages(self.encoder, Readout)]
        layers = (layer for stage in stages for network in stage.connections() for layer in network.layers)
        return [layer for layer in layers if has_kernel(layer)]

    @classmethod
    def obstacle(cls, encoder: Model, task: Task) -> str | None:
        return first_recurrent(encoder)

    def _scope(self, rule):
        return _Aligned(rule, dict(zip(self._aligned, self.feedback, strict=True)))


class _Aligned(_rules.LocalLearning):
    """Scope in which the gradient by a layer's inputs is that of another layer of the same shape."""

    def __init__(self, rule, feedback):
        super().__init__(rule, is_local=False)
        self._feedback = feedback

    def apply_layer(self, layer: Layer, inputs: Tensor, **options: Any) -> Tensor:
        if layer not in self._feedback:
            return super().apply_layer(layer, inputs, **options)
        outputs = layer(ops.stop_gradient(inputs), **options)
        return with_gradient_of_both(outputs, self._feedback[layer](inputs, **options))


def _twin(layer):
    """Return a layer of the same class and shape whose weights are drawn anew and do not learn."""
    config = layer.get_config()
    twin = layer.__class__.from_config({**config, "name": f"{config['name']}_feedback"})
    twin.build_from_config(layer.get_build_config())
    twin.trainable = False
    for weight in twin.weights:  # whatever the layer's own initialiser, which may be a constant or have a seed
        if len(weight.shape) > 1:
            weight.assign(keras.initializers.GlorotUniform()(weight.shape))
    return twin
