"""Stages with an analogue output."""

import math
from collections.abc import Sequence
from typing import Any, get_args

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._saving import rename_keys
from keras_bsd._types import Config, Function, Layer, Shape, Tensor
from keras_bsd.layers._base import Stage, Targets


@keras.saving.register_keras_serializable("keras_bsd")
class Readout(Stage):
    """Readout of firing rates: scores of a classifier, or pixels of a recalled stimulus.

    The synapse is applied to the mean of the spikes over time. That is the final membrane of a neuron without
    leak and threshold, divided by the number of time steps.

    Args:
        synapse: a Keras layer or a list of them.
        activation: name or function, applied last (default: none).

    Call arguments:
        inputs: spikes `(batch, time, ...)`. Returns `(batch, ...)`.

    Example:

    >>> readout = keras_bsd.layers.Readout(keras.layers.Dense(10), "softmax")
    >>> tuple(readout(ops.ones((2, 4, 8))).shape)
    (2, 10)
    """

    input_features: tuple[Any, ...]

    def __init__(
        self, synapse: Layer | Sequence[Layer], activation: str | Function | None = None, **kwargs: Any
    ) -> None:
        super().__init__(synapse, **kwargs)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Shape) -> None:
        _checks.require_time_axis(f"Readout '{self.name}'", input_shape)
        self.input_features = tuple(input_shape[2:])
        self.synapse.build((None, *self.input_features))
        super().build(input_shape)

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("steps", "spikes")

    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        """Return zeros: the number of steps, `(batch,)`, and the sum of spikes, `(batch, ...)`, so far."""
        shapes = ((), self.input_features)
        return [ops.zeros((batch_size, *shape), self.compute_dtype) for shape in shapes]

    def step(self, inputs: Tensor, states: list[Tensor], training: bool = False) -> tuple[Tensor, list[Tensor]]:
        """Return the output for the firing rates so far, and the new states; see `Stage.step`."""
        steps, spikes = states[0] + 1, states[1] + inputs
        rates = spikes / ops.reshape(steps, (-1, *[1] * (len(spikes.shape) - 1)))
        return self.call_local(ops.expand_dims(rates, 1), training), [steps, spikes]

    def call_local(self, inputs: Tensor, training: bool) -> Tensor:
        rates = ops.mean(inputs, axis=1)
        return self.activation(self.synapse(rates, training=training))

    def backward_synapse(self) -> list[Layer]:
        units = math.prod(self.input_features)
        return [keras.layers.Dense(units), keras.layers.Reshape(self.input_features)]

    def get_config(self) -> Config:
        return {**super().get_config(), "activation": keras.activations.serialize(self.activation)}


@keras.saving.register_keras_serializable("keras_bsd")
class SequenceReadout(Readout):
    """Readout of recurrent stages: an output for every element of a sequence, or for the last one alone.

    Args:
        synapse, activation: see `Readout`.
        targets: the elements that have an output: `"all"`, or the `"last"` alone.

    Call arguments:
        inputs: spikes `(batch, elements, time, features)`. Returns `(batch, elements, ...)` or, for the last
            element, `(batch, ...)`.

    Raises:
        ValueError: an argument is unknown, the input has other axes, or the call is in a `keras_bsd.StateScope`
            with `single_step`.

    Example:

    >>> readout = keras_bsd.layers.SequenceReadout(keras.layers.Dense(10))
    >>> tuple(readout(ops.ones((2, 7, 4, 8))).shape)
    (2, 7, 10)
    """

    takes_elements = True

    def __init__(
        self,
        synapse: Layer | Sequence[Layer],
        activation: str | Function | None = None,
        targets: Targets = "all",
        **kwargs: Any,
    ) -> None:
        super().__init__(synapse, activation, **kwargs)
        self.targets = _checks.one_of("targets", targets, get_args(Targets))

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != 4:
            raise ValueError(
                f"SequenceReadout '{self.name}' expects inputs of shape (batch, elements, time, features). "
                f"Received: shape={tuple(input_shape)}"
            )
        super().build((input_shape[0], *input_shape[2:]))

    def _call_single_step(self, inputs, training):
        raise ValueError(
            f"SequenceReadout '{self.name}' cannot process a single time step, because each element of its "
            "input has all of its time steps. Use a StateScope without `single_step`."
        )

    def call_local(self, inputs: Tensor, training: bool) -> Tensor:
        shape = ops.shape(inputs)
        if self.targets == "last":
            return super().call_local(inputs[:, -1], training)
        outputs = super().call_local(ops.reshape(inputs, (-1, *inputs.shape[2:])), training)
        return ops.reshape(outputs, (-1, shape[1], *outputs.shape[1:]))

    def get_config(self) -> Config:
        return {**super().get_config(), "targets": self.targets}

    @classmethod
    def from_config(cls, config: Config) -> Stage:
        return super().from_config(rename_keys(config, {"elements": "targets"}))  # named so in version 0.1
