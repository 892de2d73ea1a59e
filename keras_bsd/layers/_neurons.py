"""Spiking neurons over time."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._arrays import check_finite, known_values
from keras_bsd._backend import with_batch_size
from keras_bsd._types import Config, Function, Shape, Tensor
from keras_bsd.layers._lif_cell import SpikingLIFCell
from keras_bsd.layers._masks import mask_of
from keras_bsd.layers._spiking_cell import Granularity, InitialValue, Reset, SpikingCell, SurrogateLike
from keras_bsd.layers._time_loop import batch_size_at_rest, scan_over_time


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingNeurons(keras.layers.Layer):
    """Spiking neurons over time, from currents to spikes of the same shape.

    The loop over up to 32 time steps is unrolled; longer sequences, and those of unknown length, run in a loop
    of the backend.

    Args:
        cell: a `SpikingCell`, the dynamics of one time step.
        return_state: bool, return the final state too: `(spikes, membrane, ...)`, in the order of the cell's
            `state_names`.
        stateful: bool, carry the state from call to call, for streaming. Needs a fixed batch size;
            `reset_state()` returns to rest.

    Call arguments:
        currents: `(batch, time, ...)`.
        initial_state: membrane `(batch, ...)`, or the list of tensors after the spikes that a layer with
            `return_state` returns.
        mask: booleans `(batch, time)`; where it is false, neurons do not spike and their state does not change.
        linearize: bool, return the final state whatever `return_state`, and behind it the tangents and sums of
            `SpikingCell.linearize`, which `initial_state` may hold too. No gradient then passes through the
            neurons.
        return_state: bool, in place of the argument of the layer.
        cut_time: bool, let no gradient pass from one time step to the next.
            Returns spikes `(batch, time, ...)`, and the final state if `return_state`.

    Raises:
        ValueError: an argument is out of range or unknown, or the input has no time axis.

    Example:

    >>> neurons = keras_bsd.layers.SpikingNeurons(keras_bsd.layers.SpikingCuBaLIFCell(beta=0.9))
    >>> tuple(neurons(ops.ones((2, 10, 16))).shape)
    (2, 10, 16)
    """

    def __init__(
        self, cell: SpikingCell, return_state: bool = False, stateful: bool = False, **kwargs: Any
    ) -> None:
        if not isinstance(cell, SpikingCell):
            raise ValueError(
                "`cell` must be a SpikingCell, such as SpikingLIFCell() or one of a class of your own. "
                f"Received: cell={cell!r}"
            )
        super().__init__(**{"dtype": cell.dtype_policy, **kwargs})
        self.cell = cell
        self.return_state = return_state
        self.stateful = stateful
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        _checks.require_time_axis(self.__class__.__name__, input_shape)
        batch_size, _, *features = input_shape
        if not self.cell.built:
            self.cell.build((batch_size, *features))
        if not self.stateful:
            return
        if batch_size is None:
            raise ValueError(
                f"A stateful {self.__class__.__name__} needs a fixed batch size. "
                f"Received: shape={tuple(input_shape)}. Use keras.Input(batch_shape=...)."
            )
        self.states = [
            self.add_weight(shape=state.shape, name=f"state_{i}", initializer="zeros", trainable=False)
            for i, state in enumerate(self.cell.get_initial_state(batch_size))
        ]

    def compute_output_shape(self, currents_shape: Shape) -> Shape | tuple[Shape, ...]:
        outputs = self.compute_output_spec(keras.KerasTensor(currents_shape))
        return keras.tree.map_structure(lambda output: tuple(output.shape), outputs)

    def compute_output_spec(
        self,
        currents: Tensor,
        initial_state: Tensor | list[Tensor] | None = None,
        mask: Tensor | None = None,
        linearize: bool = False,
        return_state: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        spikes = keras.KerasTensor(currents.shape, self.compute_dtype)
        if not self._returns_state(return_state, linearize):
            return spikes
        batch_size, _, *features = currents.shape
        states = [keras.KerasTensor((batch_size, *features), self.compute_dtype) for _ in self.cell.state_size]
        if linearize:
            states = self.cell.with_tangents(states)  # which repeats tensors; outputs are distinct
        return tuple(keras.KerasTensor(tensor.shape, tensor.dtype) for tensor in (spikes, *states))

    def reset_state(self) -> None:
        """Set the carried state of a stateful layer to rest: membranes at zero, no refractory steps."""
        if self.stateful and not self.built:
            raise ValueError(
                f"`reset_state` needs a layer that has its state. Received: '{self.name}', which has not been "
                "built. Call it, or the network that it is in, once: the first call starts at rest."
            )
        for state in self.states if self.stateful else ():
            state.assign(ops.zeros(state.shape, state.dtype))

    def call(
        self,
        currents: Tensor,
        initial_state: Tensor | list[Tensor] | None = None,
        mask: Tensor | None = None,
        linearize: bool = False,
        return_state: bool | None = None,
        training: bool = False,
        cut_time: bool = False,
    ) -> Tensor | tuple[Tensor, ...]:
        _checks.require_time_axis(self.__class__.__name__, currents.shape)
        if self.stateful:
            size = self.states[0].shape[0]
            currents = with_batch_size(
                currents,
                size,
                f"The stateful neurons of '{self.name}' have states for a batch of {size}, and take no other. "
                "Drop or fill up an incomplete batch, or build the network with another "
                "keras.Input(batch_shape=...).",
            )
        carried: list[Tensor] = []
        if linearize and isinstance(initial_state, (list, tuple)):
            resting = len(self.cell.state_size)
            initial_state, carried = list(initial_state[:resting]), list(initial_state[resting:])
        states = self._initial_states(currents, initial_state)
        if linearize:
            states = [*states, *carried] if carried else self.cell.with_tangents(states)
        cell = self.cell.linearize if linearize else self._from_detached_state if cut_time else self.cell
        spikes, states = self._run(currents, states, mask, cell)
        if self.stateful:
            for variable, state in zip(self.states, states[: len(self.states)], strict=True):
                variable.assign(state)
        return (spikes, *states) if self._returns_state(return_state, linearize) else spikes

    def _returns_state(self, return_state, linearize):
        return linearize or (self.return_state if return_state is None else return_state)

    def _initial_states(self, currents, initial_state):
        if initial_state is None:
            if self.stateful:
                return [ops.cast(state, currents.dtype) for state in self.states]
            return self.cell.get_initial_state(batch_size_at_rest(currents))
        states = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
        if len(states) != len(self.cell.state_size):
            raise ValueError(
                f"`initial_state` must hold {len(self.cell.state_size)} tensors "
                f"({', '.join(self.cell.state_names)}). Received: {len(states)} tensors"
            )
        expected = tuple(currents.shape[2:])
        for state in states:
            if tuple(state.shape[1:]) != expected:
                raise ValueError(
                    f"`initial_state` must hold tensors (batch, {', '.join(map(str, expected))}). "
                    f"Received: shape={tuple(state.shape)}"
                )
            if (values := known_values(state)) is not None:
                check_finite("initial_state", values)
        message = "`initial_state` must have a row for each of the currents' rows."
        size = ops.shape(currents)[0]
        return [with_batch_size(ops.cast(state, currents.dtype), size, message) for state in states]

    def _from_detached_state(self, currents, states):
        return self.cell(currents, [ops.stop_gradient(state) for state in states])

    def _run(self, currents, states, mask, cell):
        def step(states, inputs):
            spikes, states = self.masked_step(inputs[0], states, None if mask is None else inputs[1], cell)
            return [spikes, *states[1:]], states

        sequences = [currents] if mask is None else [currents, mask_of(currents, mask)]
        outputs, states = scan_over_time(step, states, sequences)
        return outputs[0], states

    def masked_step(
        self, currents: Tensor, states: list[Tensor], mask: Tensor | None, cell: Function | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return what the cell does, with no spikes and the old states where a mask `(batch,)` is false."""
        spikes, new_states = (cell or self.cell)(currents, states)
        if mask is None:
            return spikes, new_states
        mask = ops.reshape(mask, (-1,) + (1,) * (len(currents.shape) - 1))
        mask = ops.cast(mask, "bool")
        states = [ops.where(mask, new, old) for new, old in zip(new_states, states, strict=True)]
        return ops.where(mask, spikes, ops.zeros_like(spikes)), states

    def get_config(self) -> Config:
        cell = keras.saving.serialize_keras_object(self.cell)
        cell.pop("build_config", None)  # neurons of a copy may have another shape
        return {
            **super().get_config(),
            "cell": cell,
            "return_state": self.return_state,
            "stateful": self.stateful,
        }

    @classmethod
    def from_config(cls, config: Config) -> SpikingNeurons:
        if "cell" in config:
            config = {**config, "cell": keras.saving.deserialize_keras_object(config["cell"])}
        return cls(**config)


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingLIF(SpikingNeurons):
    """Leaky integrate-and-fire neurons over time: `SpikingNeurons` of a `SpikingLIFCell`.

    Args:
        beta, tau, threshold, reset, refractory_steps, trainable_leak, trainable_threshold, surrogate,
            detach_reset, granularity: see `SpikingLIFCell`.
        return_state, stateful: see `SpikingNeurons`.

    Call arguments:
        currents, initial_state, mask, linearize, return_state: see `SpikingNeurons`.

    Raises:
        ValueError: an argument is out of range or unknown, or the input has no time axis.

    Example:

    >>> neurons = keras_bsd.layers.SpikingLIF(beta=0.5, threshold=0.6, reset="soft")
    >>> spikes = neurons(ops.full((1, 5, 1), 0.5))  # the membrane: 0.5, 0.75, 0.575, 0.7875, 0.59375
    >>> ops.convert_to_numpy(spikes)[0, :, 0].tolist()
    [0.0, 1.0, 0.0, 1.0, 0.0]
    """

    def __init__(
        self,
        beta: InitialValue | None = None,
        tau: float | None = None,
        threshold: InitialValue = 0.6,
        reset: Reset = "hard",
        refractory_steps: int = 0,
        trainable_leak: bool = False,
        trainable_threshold: bool = False,
        surrogate: SurrogateLike = "atan",
        detach_reset: bool = True,
        return_state: bool = False,
        stateful: bool = False,
        granularity: Granularity = "layer",
        **kwargs: Any,
    ) -> None:
        dtype = keras.dtype_policies.get(kwargs.get("dtype"))
        cell = SpikingLIFCell(
            beta=beta,
            tau=tau,
            threshold=threshold,
            reset=reset,
            refractory_steps=refractory_steps,
            trainable_leak=trainable_leak,
            trainable_threshold=trainable_threshold,
            surrogate=surrogate,
            detach_reset=detach_reset,
            granularity=granularity,
            trainable=kwargs.get("trainable", True),
            dtype=dtype,
            name="cell",
        )
        super().__init__(cell, return_state, stateful, **{**kwargs, "dtype": dtype})

    def get_config(self) -> Config:
        neuron, config = self.cell.get_config(), super().get_config()
        del config["cell"]
        shared = {key: neuron[key] for key in neuron if key not in ("units", "name", "trainable", "dtype")}
        return {**config, **shared}


Neuron = SpikingNeurons | SpikingCell  # what stages take


def as_neurons(neuron: Neuron | None, dtype: Any = None) -> SpikingNeurons:
    """Return the neurons of a stage: given ones, those of a cell, or `SpikingLIF()`.

    Raises:
        ValueError: `neuron` is something else, or returns its state.
    """
    if neuron is None:
        return SpikingLIF(dtype=dtype)
    if isinstance(neuron, SpikingCell):
        return SpikingNeurons(neuron)
    if not isinstance(neuron, SpikingNeurons) or neuron.return_state:
        raise ValueError(
            "`neuron` must be a SpikingLIF, other SpikingNeurons or a SpikingCell, without `return_state`, "
            f"since a stage outputs spikes alone. Received: neuron={neuron!r}. Layers with analogue outputs go "
            "into `synapse`."
        )
    return neuron
