"""The base class of spiking neurons for one time step: the contract of the rate rule, streaming and audit."""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

import keras
from keras import ops

from keras_bsd import _checks, surrogates
from keras_bsd._types import Config, Function, Shape, Tensor

Reset = Literal["hard", "soft", "none"]
Granularity = Literal["layer", "channel", "neuron"]
SurrogateLike = str | surrogates.Surrogate | Config | Function  # what `surrogates.get` takes
InitialValue = Any  # of a leak or threshold: a float, or a Keras initialiser, its name or configuration


@keras.saving.register_keras_serializable("keras_bsd")
class Within(keras.constraints.Constraint):
    """Constraint of a weight to `[low, high]`, so that a learned leak or threshold stays meaningful."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __call__(self, weight):
        return ops.clip(weight, self.low, self.high)

    def get_config(self):
        return {"low": self.low, "high": self.high}


class _Parameter(NamedTuple):
    """A leak or threshold."""

    value: Any  # a float, or an initialiser
    trainable: bool
    constraint: Within

    def initialize(self, shape, dtype=None):
        """Return the first value of the weight, within its bounds."""
        initializer = keras.initializers.Constant(self.value) if isinstance(self.value, float) else self.value
        return self.constraint(initializer(shape, dtype=dtype))


def _initial(name, value, **bounds):
    """Return a float within bounds, or an initialiser."""
    if isinstance(value, (str, dict, keras.initializers.Initializer)):
        return keras.initializers.get(value)
    return _checks.real(name, value, **bounds)


class SpikingCell(keras.layers.Layer):
    """Base class of spiking neurons for one time step, the `neuron` of a stage or the cell of `RNN`.

    Neurons of this package are `SpikingIFCell`, `SpikingLIFCell`, `SpikingCuBaLIFCell` and `SpikingALIFCell`. A
    subclass of your own defines how the state changes but for the reset, which is that of this class:

    - `dynamics`, the names of its states, the membrane first;
    - `integrate`, the states after leak and input;
    - where spikes act on more than the membrane, `after_spikes`; where the threshold moves, `threshold_shift`;
    - the numbers of the formulas, each by `add_parameter` in the constructor, and `partial` for those that it
      learns;
    - `get_config`.

    What it defines must be linear in states and inputs, so that derivatives follow by the same methods: a
    neuron that is not overrides `linearize` too, or is trained with `rule="surrogate"` or by backpropagation.
    `keras_bsd.layers.check_spiking_cell` runs a cell through all of it. Spikes come from the surrogate where
    the membrane reaches the threshold; then the membrane is reset, hard to zero, soft by subtraction of
    `threshold`.

    Args:
        units: int or tuple, the shape of one sample's neurons; `RNN` takes an int alone. `None`: that of the
            first input.
        threshold: positive float (default 0.6, the best in the paper's ablation), or the Keras initialiser, or
            its name or configuration, of one value for each `granularity`.
        reset: `"hard"` (to zero), `"soft"` (by subtraction) or `"none"`.
        refractory_steps: int, time steps after a spike in which a neuron ignores its input and cannot spike.
        trainable_threshold: bool, learn the threshold, constrained to [0.001, inf).
        surrogate: name, `keras_bsd.surrogates.Surrogate`, or a function that returns the derivative.
        detach_reset: bool, let no gradient pass through the reset.
        granularity: which neurons share a leak and a threshold: those of a `"layer"`, of a `"channel"`, or
            none, `"neuron"`. Except for `"layer"` the values are weights, learned or not.

    Call arguments:
        inputs: currents `(batch, ...)`.
        states: list of tensors `(batch, ...)`, named by `state_names`. Returns spikes `(batch, ...)`, and the
            list of new states.

    Raises:
        ValueError: an argument is out of range or unknown.

    Example: neurons whose input passes through two leaks in a row.

    >>> class TwoLeaks(keras_bsd.layers.SpikingCell):
    ...     dynamics = ("membrane", "dendrite")
    ...
    ...     def integrate(self, inputs, states, able):
    ...         dendrite = 0.5 * states[1] if inputs is None else 0.5 * states[1] + inputs
    ...         return [0.9 * states[0] + able(dendrite), dendrite]
    >>> keras_bsd.layers.check_spiking_cell(TwoLeaks)
    >>> tuple(keras_bsd.layers.SpikingDense(16, timesteps=4, neuron=TwoLeaks())(ops.ones((2, 8))).shape)
    (2, 4, 16)
    """

    dynamics: tuple[str, ...] = ("membrane",)

    def __init__(
        self,
        units: int | Sequence[int] | None = None,
        threshold: InitialValue = 0.6,
        reset: Reset = "hard",
        refractory_steps: int = 0,
        trainable_threshold: bool = False,
        surrogate: SurrogateLike = "atan",
        detach_reset: bool = True,
        granularity: Granularity = "layer",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._parameters_by_name: dict[str, _Parameter] = {}
        for size in units if isinstance(units, list | tuple) else (units,):
            if size is not None:
                _checks.integer("units", size, low=1)
        self.units: Any = units
        self._given_units = units
        self.granularity = _checks.one_of("granularity", granularity, get_args(Granularity))
        self.threshold: Any = None
        self.add_parameter("threshold", threshold, trainable_threshold, low=0.0, low_open=True)
        self.reset = _checks.one_of("reset", reset, get_args(Reset))
        self.refractory_steps = _checks.integer("refractory_steps", refractory_steps)
        self.surrogate = surrogates.get(surrogate)
        self.detach_reset = detach_reset

    def add_parameter(
        self,
        name: str,
        value: InitialValue,
        trainable: bool = False,
        low: float = 0.0,
        high: float = math.inf,
        low_open: bool = False,
        argument: str | None = None,
    ) -> None:
        """Add a number of the neurons' formulas, the attribute `name`, in the constructor of a subclass.

        It stays a Python float, which compilers fold, if it is neither learned nor of a finer granularity than
        a layer; otherwise it becomes a weight as the cell is built.

        Args:
            name: str.
            value: float, or initialiser.
            trainable: bool, whether it is learned.
            low, high: bounds, to which a weight is constrained.
            low_open: bool, whether `low` itself is excluded. A weight then stays 0.001 above it.
            argument: str, what errors call it (default: its name).

        Raises:
            ValueError: `value` is out of bounds.
        """
        value = _initial(argument or name, value, low=low, high=high, low_open=low_open)
        constraint = Within(low + 1e-3 if low_open else low, high)
        self._parameters_by_name[name] = _Parameter(value, trainable, constraint)
        setattr(self, name, value)

    def initial_value(self, name: str) -> Any:
        """Return the float that a parameter was given, or the configuration of its initialiser."""
        value = self._parameters_by_name[name].value
        return value if isinstance(value, float) else keras.initializers.serialize(value)

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the state's tensors, in the order of `get_initial_state`."""
        return (*self.dynamics, "silence") if self.refractory_steps else self.dynamics

    @property
    def state_size(self) -> list[int | Sequence[int] | None]:
        return [self.units] * len(self.state_names)

    @property
    def output_size(self) -> int | Sequence[int] | None:
        return self.units

    def build(self, input_shape: Shape) -> None:
        features = tuple(input_shape[1:])
        if self.units is None:
            self.units = features[0] if len(features) == 1 else features
        elif features != (tuple(self.units) if isinstance(self.units, list | tuple) else (self.units,)):
            raise ValueError(
                f"`units` must be the shape of a sample's currents, {features}. Received: units={self.units}. "
                "Omit `units` to take that of the first input."
            )
        shape = {"layer": (), "channel": features[-1:], "neuron": features}[self.granularity]
        for name, parameter in self._parameters_by_name.items():
            if isinstance(parameter.value, float) and not parameter.trainable and self.granularity == "layer":
                continue
            if None in shape:
                raise ValueError(
                    f"Neurons with granularity={self.granularity!r} need known sizes. Received: a shape of "
                    f"{features}. Give the network's keras.Input all sizes except the number of time steps, or "
                    "choose another granularity."
                )
            weight = self.add_weight(
                shape=shape,
                name=name,
                initializer=parameter.initialize,
                constraint=parameter.constraint,
                trainable=parameter.trainable,
            )
            setattr(self, name, weight)

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        """Return the state at rest, zeros."""
        units = (self.units,) if isinstance(self.units, int) else tuple(self.units)
        return [ops.zeros((batch_size, *units), self.compute_dtype) for _ in self.state_names]

    def integrate(self, inputs: Tensor | float | None, states: list[Tensor], able: Function) -> list[Tensor]:
        """Return the states `dynamics` after leak and input, before spikes; linear in `inputs` and `states`.

        Args:
            inputs: currents `(batch, ...)`, a number, or None for no input.
            states: list of tensors `(batch, ...)`.
            able: function that sets values to zero where neurons are refractory, for what reaches the membrane.
        """
        raise NotImplementedError(f"{self.__class__.__name__} must define `integrate`.")

    def after_spikes(self, states: list[Tensor], spikes: Tensor) -> list[Tensor]:
        """Return states after spikes `(batch, ...)` but for the reset; linear in `states` and `spikes`."""
        return states

    def threshold_shift(self, states: list[Tensor]) -> Tensor | None:
        """Return by how much states raise the threshold, linear in `states`; None where they do not."""
        return None

    def partial(self, parameter: str, states: list[Tensor], able: Function) -> list[Tensor | None]:
        """Return the derivatives of `integrate` by a learned parameter, one for each state, or None for zero.

        Args:
            parameter: name.
            states: list of tensors `(batch, ...)`, before `integrate`.
            able: see `integrate`.
        """
        return [None] * len(self.dynamics)

    def charge(self, inputs: Tensor, states: list[Tensor]) -> list[Tensor]:
        """Return the states `dynamics` after leak and input, before a spike resets the membrane.

        Args:
            inputs, states: see `call`.
        """
        return self.integrate(inputs, states[: len(self.dynamics)], self._able_to_spike(states))

    def distance(self, states: list[Tensor]) -> Tensor:
        """Return the membranes' distance from the threshold `(batch, ...)`, from what `integrate` returns."""
        distance, shift = states[0] - self.threshold, self.threshold_shift(states)
        return distance if shift is None else distance - shift

    @property
    def directions(self) -> tuple[str, ...]:
        """What `linearize` differentiates by: a constant shift of the current, and what neurons learn."""
        learned = (name for name, parameter in self._parameters_by_name.items() if parameter.trainable)
        return ("current", *learned)

    def with_tangents(self, states: list[Tensor]) -> list[Tensor]:
        """Return states, and what `linearize` carries beside them: zeros, tangents and a sum by direction."""
        tangent, count = ops.zeros_like(states[0]), len(self.directions)
        return [
            *states,
            *[tangent] * (count * len(self.dynamics)),
            *[ops.cast(tangent, "float32")] * count,
        ]

    def linearize(self, inputs: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Process one time step, and carry the derivatives of membrane and spikes forward in time.

        Tangents are the derivatives of the states by one of `directions`, for example by a shift of the
        currents of all time steps by the same amount. For a leak `beta` and the surrogate's derivative `h` at a
        time step, the tangent `e` of the membrane and the derivative `ds` of the spike are

            e <- beta e + 1;    ds = h e;    hard: e <- (1 - s) e,    soft: e <- e.

        No gradient passes through what this method returns.

        Args:
            inputs: currents `(batch, ...)`.
            states: list of tensors `(batch, ...)`: the states of `call`, for each direction a tangent of each
                of `dynamics`, and the sum of `ds` over time for each direction, in float32. `with_tangents`
                returns the first.

        Returns:
            Spikes `(batch, ...)`, and the new states.

        Source: rate-based backpropagation, Yu et al., NeurIPS 2024, for the derivative by the current.
        """
        resting, width, count = len(self.state_names), len(self.dynamics), len(self.directions)
        states, carried, sums = states[:resting], states[resting:-count], states[-count:]
        able = self._able_to_spike(states)
        charged = self.charge(inputs, states)
        distance = self.distance(charged)
        spikes, slope = able(self.surrogate.spikes(distance)), able(self.surrogate.derivative(distance))
        tangents, totals = [], []
        # Nothing is added that is zero, nor multiplied by one: backends that do not compile would compute it.
        for i, direction in enumerate(self.directions):
            before = carried[i * width : (i + 1) * width]
            tangent = self._charged_tangent(direction, before, states[:width], able)
            change = tangent[0] if direction != "threshold" else tangent[0] - 1
            shift = self.threshold_shift(tangent)
            change = slope * (change if shift is None else change - shift)
            membrane, *others = self.after_spikes(tangent, change)
            if self.reset == "hard":
                membrane = membrane * (1 - spikes)
            elif self.reset == "soft" and direction == "threshold":
                membrane = membrane - spikes
            if self.reset != "none" and not self.detach_reset:
                membrane = membrane - change * (charged[0] if self.reset == "hard" else self.threshold)
            tangents += [ops.cast(value, charged[0].dtype) for value in (membrane, *others)]
            totals.append(sums[i] + ops.cast(change, sums[i].dtype))
        new_states = self._settle(charged, spikes, states)
        return ops.stop_gradient(spikes), [ops.stop_gradient(x) for x in (*new_states, *tangents, *totals)]

    def _charged_tangent(self, direction, tangent, states, able):
        """Return the derivative of what `integrate` returns."""
        if direction == "current":
            return self.integrate(1.0, tangent, able)
        charged, partial = self.integrate(None, tangent, able), self.partial(direction, states, able)
        return [value if p is None else value + p for value, p in zip(charged, partial, strict=True)]

    def response(self, current: Tensor, states: list[Tensor], steps: Any) -> Tensor:
        """Return a tensor whose gradient is that of the firing rates.

        Args:
            current: mean current `(batch, ...)`.
            states: list of tensors from `linearize`.
            steps: time steps that the sums in `states` were taken over, a number or a tensor.
        """
        sums = states[-len(self.directions) :]
        values = [current, *(getattr(self, name) for name in self.directions[1:])]
        return sum(
            total / steps * ops.cast(value, total.dtype) for value, total in zip(values, sums, strict=True)
        )

    def call(self, inputs: Tensor, states: list[Tensor], training: bool = False) -> tuple[Tensor, list[Tensor]]:
        charged, able = self.charge(inputs, states), self._able_to_spike(states)
        spikes = able(self.surrogate(self.distance(charged)))
        return spikes, self._settle(charged, spikes, states)

    def _able_to_spike(self, states):
        """Return a function that sets values `(batch, ...)` to zero where neurons are refractory."""
        if not self.refractory_steps:
            return lambda values: values
        able = ops.cast(states[-1] <= 0, states[0].dtype)
        return lambda values: values * able

    def _settle(self, charged, spikes, states):
        """Return the states after spikes, for those that `integrate` returned and those before it."""
        membrane, *others = self.after_spikes(charged, spikes)
        resetting = ops.stop_gradient(spikes) if self.detach_reset else spikes
        if self.reset == "hard":
            membrane = membrane * (1 - resetting)
        elif self.reset == "soft":
            membrane = membrane - resetting * self.threshold
        if not self.refractory_steps:
            return [membrane, *others]
        remaining = ops.relu(states[-1] - 1)
        remaining = ops.where(spikes > 0, self.refractory_steps * ops.ones_like(remaining), remaining)
        return [membrane, *others, ops.stop_gradient(remaining)]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self._given_units,
            "threshold": self.initial_value("threshold"),
            "reset": self.reset,
            "refractory_steps": self.refractory_steps,
            "trainable_threshold": self._parameters_by_name["threshold"].trainable,
            "surrogate": surrogates.serialize(self.surrogate),
            "detach_reset": self.detach_reset,
            "granularity": self.granularity,
        }
