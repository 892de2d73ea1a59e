"""The stage that receives a concept beside spikes, for decoders."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Config, Function, Layer, Model, Shape, Tensor
from keras_bsd.layers._base import Stage, apply_layers, layer_list
from keras_bsd.layers._neurons import Neuron
from keras_bsd.layers._normalization import Normalization
from keras_bsd.layers._stage import SpikingStage


@keras.saving.register_keras_serializable("keras_bsd")
class GuidedStage(SpikingStage):
    """Spiking stage that receives a vector, such as a concept, beside the spikes of the stage before it.

    The vector is held: its current is computed once, by `guide`, and added at every time step to that of the
    spikes, before whatever in `synapse` is not affine, and before normalisation. In a decoder the stages far
    from the concept can so have representations of it that a chain of stages could not pass on.

    Args:
        synapse: see `SpikingStage`; its first layer must be affine, such as a `Dense` or `Conv2DTranspose`.
        guide: a Keras layer or a list of them, from the vector to currents of the shape that the leading affine
            layers of `synapse` output.
        neuron, normalization: see `SpikingStage`.

    Call arguments:
        inputs: list of spikes `(batch, time, ...)` and vectors `(batch, ...)`. Returns spikes
            `(batch, time, ...)`.

    Raises:
        ValueError: an argument is out of range or unknown, `synapse` does not begin with an affine layer, or
            the shapes of the two currents differ.

    Example:

    >>> synapse, guide = keras.layers.Dense(8), keras.layers.Dense(8)
    >>> stage = keras_bsd.layers.GuidedStage(synapse, guide, normalization="batch")
    >>> tuple(stage([ops.ones((2, 4, 6)), ops.eye(2)]).shape)
    (2, 4, 8)
    """

    def __init__(
        self,
        synapse: Layer | Sequence[Layer],
        guide: Layer | Sequence[Layer],
        neuron: Neuron | None = None,
        normalization: Normalization = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(synapse, neuron, normalization=normalization, **kwargs)
        if not self._affine_count:
            raise ValueError(
                f"`synapse` must begin with an affine layer, to whose output the guide is added. Received: "
                f"synapse of {[layer.name for layer in self.synapse.layers]}"
            )
        self.guide = keras.Sequential(layer_list("guide", guide), name="guide")
        self.guide.dtype_policy = self.dtype_policy

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != 2 or not isinstance(input_shape[0], (list, tuple)):
            raise ValueError(
                f"Stage '{self.name}' expects a list of spikes (batch, time, ...) and vectors (batch, ...). "
                f"Received: shape={input_shape}"
            )
        spikes, vectors = input_shape
        _checks.require_time_axis(f"Stage '{self.name}'", spikes)
        self.guide.build(tuple(vectors))
        super().build(tuple(spikes))
        guided, expected = self.guide.compute_output_shape(tuple(vectors)), self.affine_features
        if tuple(guided[1:]) != expected:
            raise ValueError(
                f"The guide of stage '{self.name}' must output currents of shape {expected}, as the affine "
                f"layers of its synapse do. Received: {tuple(guided[1:])}"
            )

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return super().compute_output_shape(input_shape[0])

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Tensor:
        return super().call(inputs, training, mask[0] if isinstance(mask, (list, tuple)) else mask)

    def currents(self, inputs: Any, training: bool) -> Tensor:
        return self.remaining_part(self.affine_part(inputs, training), training)

    def affine_part(self, inputs: Any, training: bool) -> Tensor:
        spikes, vectors = inputs
        guided = apply_layers(self.guide.layers, vectors, training)
        return super().affine_part(spikes, training) + ops.expand_dims(guided, 1)

    def spikes_of(self, inputs: Any) -> Tensor:
        return inputs[0]

    def map_spikes(self, function: Function, inputs: Any) -> Any:
        spikes, vectors = inputs
        return [function(spikes), vectors]

    def _affine_of_mean(self, mean_inputs, training):
        rates, vectors = mean_inputs
        return self._apply_affine(rates, training) + apply_layers(self.guide.layers, vectors, training)

    def connections(self) -> list[Model]:
        return [self.synapse, self.guide]

    def get_config(self) -> Config:
        guide = [keras.saving.serialize_keras_object(layer) for layer in self.guide.layers]
        config = {**super().get_config(), "guide": guide}
        del config["timesteps"]
        return config

    @classmethod
    def from_config(cls, config: Config) -> Stage:
        guide = [keras.saving.deserialize_keras_object(layer) for layer in config["guide"]]
        return super().from_config({**config, "guide": guide})
