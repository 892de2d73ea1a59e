"""Stages with an analogue output."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import keras
from keras import ops

from keras_bsd import _checks, _rules, _state_scope
from keras_bsd._saving import rename_keys
from keras_bsd._types import Config, Function, Layer, Shape, Tensor
from keras_bsd.layers._base import Stage, apply_layers, dense_to
from keras_bsd.layers._masks import active_mask, expand_like, masked, mean_over_time, take_last

ReadoutTargets = Literal["all", "last", "mean"]


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
        mask: booleans `(batch, time)`, false for time steps that are not in the mean.

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
        self.supports_masking = True

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None) -> Tensor | None:
        """Return None: the output has no time axis."""
        return None

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
        # In half precision sums of ones stop growing, at 256 in bfloat16.
        dtype = "float64" if self.compute_dtype == "float64" else "float32"
        return [ops.zeros((batch_size, *shape), dtype) for shape in shapes]

    def step(self, inputs: Tensor, states: list[Tensor], training: bool = False) -> tuple[Tensor, list[Tensor]]:
        """Return the output for the firing rates so far, and the new states; see `Stage.step`."""
        mask, (steps, spikes) = active_mask(), states
        inputs = ops.cast(inputs, spikes.dtype)
        if mask is None:
            steps, spikes = steps + 1, spikes + inputs
        else:
            present = ops.cast(mask[:, 0], steps.dtype)
            steps, spikes = steps + present, spikes + inputs * expand_like(present, inputs)
        rates = spikes / expand_like(steps if mask is None else ops.maximum(steps, 1), spikes)
        rates = ops.cast(rates, self.compute_dtype)
        with masked(None):
            return self.call_local(ops.expand_dims(rates, 1), training), [steps, spikes]

    def call_local(self, inputs: Tensor, training: bool) -> Tensor:
        scope = _rules.active_scope()
        rates = self.rates(inputs) if scope is None else scope.rates(self, inputs)
        return self.scores(rates, training)

    def rates(self, spikes: Tensor) -> Tensor:
        """Return the mean of spikes `(batch, time, ...)` over time."""
        return mean_over_time(spikes)

    def scores(self, rates: Tensor, training: bool = False, rows: Tensor | None = None) -> Tensor:
        """Return the output for firing rates `(batch, ...)`; `rows` is false for padding."""
        return self.activation(apply_layers(self.synapse.layers, rates, training, rows))

    def backward_synapse(self, features: tuple[Any, ...] | None = None) -> list[Layer]:
        return dense_to(features or self.input_features)

    def get_config(self) -> Config:
        return {**super().get_config(), "activation": keras.activations.serialize(self.activation)}


@keras.saving.register_keras_serializable("keras_bsd")
class SequenceReadout(Readout):
    """Readout of recurrent stages: an output for every element, for the last one, or for their mean.

    Args:
        synapse, activation: see `Readout`.
        targets: what has an output: `"all"` elements, the `"last"` alone, or the `"mean"` of the firing rates
            of all. In a `keras_bsd.StateScope` that mean
            continues from call to call.

    Call arguments:
        inputs: spikes `(batch, elements, time, features)`. Returns `(batch, elements, ...)` or, for the last
            element and the mean, `(batch, ...)`.
        mask: booleans `(batch, elements)`, false for padding, which is in no mean. The last element is the last
            that is none. If all have an output, the mask is passed to losses and metrics, which leave padding
            out.

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
        targets: ReadoutTargets = "all",
        **kwargs: Any,
    ) -> None:
        super().__init__(synapse, activation, **kwargs)
        self.targets = _checks.one_of("targets", targets, get_args(ReadoutTargets))

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

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None) -> Tensor | None:
        """Return the mask of the elements if each has an output."""
        return previous_mask if self.targets == "all" else None

    def call_local(self, inputs: Tensor, training: bool) -> Tensor:
        mask, shape = active_mask(), ops.shape(inputs)
        if self.targets == "mean":
            return self.scores(self._mean_so_far(inputs, mask), training)
        if self.targets == "last":
            return self.scores(ops.mean(take_last(inputs, mask), axis=1), training)
        rates = ops.mean(ops.reshape(inputs, (-1, *inputs.shape[2:])), axis=1)
        outputs = self.scores(rates, training, None if mask is None else ops.reshape(mask, (-1,)))
        return ops.reshape(outputs, (-1, shape[1], *outputs.shape[1:]))

    def _mean_so_far(self, inputs, mask):
        """Return the firing rates over all elements, and over those before them in a `StateScope`."""
        count, total = _state_scope.initial_state(self, ops.shape(inputs)[0])
        rates = ops.cast(ops.mean(inputs, axis=2), total.dtype)
        if mask is None:
            count = count + ops.cast(ops.convert_to_tensor(ops.shape(rates)[1]), count.dtype)
        else:
            present = ops.cast(mask, rates.dtype)
            count, rates = count + ops.sum(present, axis=1), rates * expand_like(present, rates)
        total = total + ops.sum(rates, axis=1)
        _state_scope.store_state(self, [count, total])
        return ops.cast(total / expand_like(ops.maximum(count, 1), total), self.compute_dtype)

    def get_config(self) -> Config:
        return {**super().get_config(), "targets": self.targets}

    @classmethod
    def from_config(cls, config: Config) -> Stage:
        return super().from_config(rename_keys(config, {"elements": "targets"}))  # named so in version 0.1
