"""The base class of stages: the contract of local learning, streaming and mirroring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

from keras_bsd import _rules, _state_scope
from keras_bsd._types import Config, Layer, Model, Shape, Tensor
from keras_bsd.layers._int8_kernels import make_quantizable
from keras_bsd.layers._masks import expand_like, masked
from keras_bsd.layers._neurons import SpikingNeurons
from keras_bsd.layers._quantization import quantized_layers, restore_quantization, with_inner_convolutions

Targets = Literal["all", "last"]  # the elements of a sequence that have a target


def apply_layers(layers, inputs, training, rows=None):
    """Return the output of layers, one after the other.

    Args:
        layers: Keras layers.
        inputs: tensor `(rows, ...)`.
        training: bool.
        rows: booleans `(rows,)`, false for padding, which statistics of batches leave out; or None.
    """
    for layer in layers:
        options = {"training": training}
        if rows is not None and isinstance(layer, keras.layers.BatchNormalization):
            options["mask"] = ops.broadcast_to(expand_like(rows, inputs[..., 0]), ops.shape(inputs)[:-1])
        inputs = _rules.apply_layer(layer, inputs, **options)
    return inputs


def layer_list(name, layers):
    """Return one layer or a sequence of them as a list, or raise if it holds anything else."""
    layers = list(layers) if isinstance(layers, (list, tuple)) else [layers]
    for layer in layers:
        if not isinstance(layer, keras.layers.Layer):
            raise ValueError(f"`{name}` must be a Keras layer or a list of them. Received: {layer!r}")
    return layers


def dense_to(features):
    """Return layers from vectors to values of shape `features`, each connected to all of a vector."""
    return [keras.layers.Dense(math.prod(features)), keras.layers.Reshape(features)]


class Stage(keras.layers.Layer):
    """Base class of stages, the units of local learning.

    A stage is a `synapse`, Keras layers that hold its weights, and the dynamics behind it. While a pair of
    networks trains, each stage detaches its input: a loss on its output or its representation reaches the
    weights of this stage alone.

    Most networks need no subclass. `SpikingStage` takes any Keras layers as its synapse, and a subclass of it
    that defines `backward_synapse` is supported by `keras_bsd.mirror`. For other dynamics, subclass `Stage`:

    - `build` builds `self.synapse` and then calls `super().build(input_shape)`;
    - `call_local` returns the output for all time steps;
    - `state_names`, `get_initial_state` and `step` do the same one time step at a time. Only streaming and the
      export of single steps need them;
    - `get_config` adds the constructor's arguments besides `synapse`.

    Args:
        synapse: a Keras layer or a list of them.

    Call arguments:
        inputs: spikes `(batch, time, ...)`. Returns what `call_local` returns; in a `keras_bsd.StateScope` with
            `single_step`, what `step` returns.
        mask: booleans `(batch, time)`, or `(batch, elements)` of a stage that takes elements; false where a
            sequence is padded. An error unless the stage sets `supports_masking`, as those of this package do.

    Attributes:
        takes_elements: bool, whether inputs are sequences of elements that have time steps of their own.

    Raises:
        ValueError: `synapse` holds something other than layers, or `SpikingNeurons`.

    Example: a readout whose scores are the highest of any time step.

    >>> class PeakReadout(keras_bsd.layers.Stage):
    ...     state_names = ("peak",)
    ...
    ...     def build(self, input_shape):
    ...         self.synapse.build((None, *input_shape[2:]))
    ...         super().build(input_shape)
    ...
    ...     def call_local(self, inputs, training):
    ...         steps = [self.synapse(inputs[:, t], training=training) for t in range(inputs.shape[1])]
    ...         return ops.max(ops.stack(steps), axis=0)
    ...
    ...     def get_initial_state(self, batch_size):
    ...         return [ops.full((batch_size, *self.synapse.output_shape[1:]), -np.inf)]
    ...
    ...     def step(self, inputs, states, training=False):
    ...         peak = ops.maximum(states[0], self.synapse(inputs, training=training))
    ...         return peak, [peak]
    >>> tuple(PeakReadout(keras.layers.Dense(10))(ops.ones((2, 4, 8))).shape)
    (2, 10)
    """

    takes_elements: bool = False

    def __init__(self, synapse: Layer | Sequence[Layer], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        layers = layer_list("synapse", synapse)
        for layer in layers:
            if isinstance(layer, SpikingNeurons):
                raise ValueError(
                    "`synapse` must not hold neurons, because it computes the currents of one time step. "
                    f"Received: synapse with {layer!r}. Pass it as the `neuron` of a SpikingStage."
                )
        self.synapse = keras.Sequential(layers, name="synapse")
        self.synapse.dtype_policy = self.dtype_policy

    def build(self, input_shape: Shape) -> None:
        """Finish the stage; subclasses call this once their weights exist."""
        if not self.trainable:  # Keras does not pass a `trainable=False` of the constructor on to inner layers
            for network in self.connections():
                network.trainable = False
        make_quantizable(self.name, self._inner_layers())

    def call(self, inputs: Tensor, training: bool = False, mask: Tensor | None = None) -> Tensor:
        inputs = keras.tree.map_structure(_rules.cut_gradient, inputs)
        if mask is not None:
            self._check_mask(mask)
            mask = ops.cast(mask, "bool")
            _rules.record_mask(self, mask)
        with masked(mask):
            if _state_scope.is_single_step():
                return self._call_single_step(inputs, training)
            return self.call_local(inputs, training)

    def _check_mask(self, mask):
        """Raise unless this stage can process inputs with this mask."""
        if not self.supports_masking or len(mask.shape) != 2:
            axes = "(batch, elements)" if self.takes_elements else "(batch, time)"
            reason = (
                f"its mask must have shape {axes}" if self.supports_masking else "it does not support masking"
            )
            raise ValueError(
                f"Stage '{self.name}' cannot process masked inputs: {reason}. Received: a mask of shape "
                f"{tuple(mask.shape)}. Remove what makes it, such as Masking or Embedding(mask_zero=True)."
            )

    def call_local(self, inputs: Tensor, training: bool) -> Tensor:
        """Return the stage's output for inputs that are detached during local learning."""
        raise NotImplementedError

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the state's tensors, in the order of `get_initial_state`; empty without state."""
        return ()

    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        """Return the state before the first time step, a list of tensors `(batch, ...)`."""
        return []

    def step(self, inputs: Tensor, states: list[Tensor], training: bool = False) -> tuple[Tensor, list[Tensor]]:
        """Process one time step.

        Args:
            inputs: `(batch, ...)`, the inputs of one time step, or a held stimulus.
            states: list of tensors, from `get_initial_state` or from the previous step.
            training: bool.

        Returns:
            The output of this time step, and the new states.
        """
        raise NotImplementedError

    def _call_single_step(self, inputs, training):
        batch_size = ops.shape(keras.tree.flatten(inputs)[0])[0]
        states = _state_scope.initial_state(self, batch_size)
        outputs, states = self.step(self._without_time(inputs), states, training)
        _state_scope.store_state(self, states)
        return outputs

    def _without_time(self, inputs):
        return inputs[:, 0]

    def backward_synapse(self, features: tuple[Any, ...] | None = None) -> list[Layer]:
        """Return layers from the shape of this stage's outputs to that of its inputs, without normalisation.

        Args:
            features: shape to return to in place of that of the inputs. A subclass may leave the argument out;
                it is needed for skip connections around a stage, and to recall all time steps of a stimulus.

        Raises:
            NotImplementedError: the class does not define it.
        """
        raise NotImplementedError(
            f"{self.__class__.__name__} cannot be mirrored, because it does not define `backward_synapse`. "
            "Write the decoder by hand: one SpikingStage for each of the encoder's, in reverse order and of "
            "the same shape."
        )

    def connections(self) -> list[Model]:
        """The networks of Keras layers through which inputs reach this stage."""
        return [self.synapse]

    def _inner_layers(self) -> list[Layer]:
        """Return the layers that hold the stage's weights, in an order that depends on its arguments alone."""
        layers = [layer for network in self.connections() for layer in network.layers]
        return with_inner_convolutions(layers)

    def get_config(self) -> Config:
        synapse = [keras.saving.serialize_keras_object(layer) for layer in self.synapse.layers]
        quantized = quantized_layers(self._inner_layers())
        return {**super().get_config(), "synapse": synapse, **({"quantized": quantized} if quantized else {})}

    @classmethod
    def from_config(cls, config: Config) -> Stage:
        config = dict(config)
        quantized = config.pop("quantized", {})
        if "synapse" in config:  # absent where a stage is configured by plain values
            config["synapse"] = [keras.saving.deserialize_keras_object(layer) for layer in config["synapse"]]
        stage = cls(**config)
        restore_quantization(stage.name, stage._inner_layers(), quantized)
        return stage
