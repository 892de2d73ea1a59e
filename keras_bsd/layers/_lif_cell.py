"""Leaky integrate-and-fire neurons for one time step."""

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import keras
from keras import ops

from keras_bsd import _checks, surrogates
from keras_bsd._types import Config, Function, Shape, Tensor

Reset = Literal["hard", "soft", "none"]
SurrogateLike = str | surrogates.Surrogate | Config | Function  # what `surrogates.get` takes

_DEFAULT_BETA = 0.5


@keras.saving.register_keras_serializable("keras_bsd")
class Within(keras.constraints.Constraint):
    """Constraint of a weight to `[low, high]`, so that a learned leak or threshold stays meaningful."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __call__(self, weight):
        return ops.clip(weight, self.low, self.high)

    def get_config(self):
        return {"low": self.low, "high": self.high}


def _leak(beta, tau):
    if tau is None:
        return _checks.real("beta", _DEFAULT_BETA if beta is None else beta, low=0.0, high=1.0)
    if beta is not None:
        raise ValueError(f"Set the leak by `beta` or by `tau`, not both. Received: {beta=}, {tau=}")
    return math.exp(-1 / _checks.real("tau", tau, low=0.0, low_open=True))


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingLIFCell(keras.layers.Layer):
    """One time step of leaky integrate-and-fire neurons, usable in `keras.layers.RNN`.

    The membrane `u` leaks, adds the current `I`, and spikes where it reaches the threshold `v`:

        u <- beta u + I;    s = 1 if u >= v else 0;    hard: u <- (1 - s) u,    soft: u <- u - s v

    For the `n = refractory_steps` steps after a spike a neuron ignores its current and cannot spike; its
    membrane only leaks.

    Args:
        units: int or tuple, the shape of one sample's neurons. `None`: that of the first input.
        beta: float in [0, 1], the fraction of the membrane that remains after one step (default 0.5).
        tau: positive float, a time constant in time steps, in place of `beta`: `beta = exp(-1 / tau)`.
        threshold: positive float (default 0.6, the best in the paper's ablation).
        reset: `"hard"` (to zero), `"soft"` (by subtraction) or `"none"`.
        refractory_steps: int, time steps after a spike in which a neuron cannot spike.
        trainable_leak, trainable_threshold: bools, learn one scalar each, constrained to [0, 1] and to
            [0.001, inf).
        surrogate: name, `keras_bsd.surrogates.Surrogate`, or a function that returns the derivative.
        detach_reset: bool, let no gradient pass through the reset.

    Call arguments:
        inputs: currents `(batch, ...)`.
        states: list of the membrane `(batch, ...)` and, if refractory, the remaining refractory steps
            `(batch, ...)`. Returns spikes `(batch, ...)`, and the list of new states.

    Raises:
        ValueError: an argument is out of range or unknown.

    Example:

    >>> cell = keras_bsd.layers.SpikingLIFCell(1, beta=0.5, threshold=0.6)
    >>> currents = ops.full((1, 3, 1), 0.5)  # the membrane: 0.5, then 0.75 and a spike, then 0.5
    >>> spikes = keras.layers.RNN(cell, return_sequences=True)(currents)
    >>> ops.convert_to_numpy(spikes)[0, :, 0].tolist()
    [0.0, 1.0, 0.0]
    """

    def __init__(
        self,
        units: int | Sequence[int] | None = None,
        beta: float | None = None,
        tau: float | None = None,
        threshold: float = 0.6,
        reset: Reset = "hard",
        refractory_steps: int = 0,
        trainable_leak: bool = False,
        trainable_threshold: bool = False,
        surrogate: SurrogateLike = "atan",
        detach_reset: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.beta = _leak(beta, tau)
        self.initial_threshold = _checks.real("threshold", threshold, low=0.0, low_open=True)
        self.reset = _checks.one_of("reset", reset, get_args(Reset))
        self.refractory_steps = _checks.integer("refractory_steps", refractory_steps)
        self.trainable_leak = trainable_leak
        self.trainable_threshold = trainable_threshold
        self.surrogate = surrogates.get(surrogate)
        self.detach_reset = detach_reset
        # Python floats unless learned: compilers fold them and exports stay small.
        self.leak: Any = self.beta
        self.threshold: Any = self.initial_threshold
        for size in units if isinstance(units, list | tuple) else (units,):
            if size is not None:
                _checks.integer("units", size, low=1)
        self.units: Any = units

    @property
    def state_size(self) -> list[int | Sequence[int] | None]:
        return [self.units] * (2 if self.refractory_steps else 1)

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the state's tensors, in the order of `get_initial_state`."""
        return ("membrane", "silence")[: len(self.state_size)]

    @property
    def output_size(self) -> int | Sequence[int] | None:
        return self.units

    def build(self, input_shape: Shape) -> None:
        features = tuple(input_shape[1:])
        if self.units is None:
            self.units = features[0] if len(features) == 1 else features
        if self.trainable_leak:
            self.leak = self._scalar("leak", self.beta, Within(0.0, 1.0))
        if self.trainable_threshold:
            self.threshold = self._scalar("threshold", self.initial_threshold, Within(1e-3, math.inf))

    def _scalar(self, name, value, constraint):
        initializer = keras.initializers.Constant(value)
        return self.add_weight(shape=(), name=name, initializer=initializer, constraint=constraint)

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        """Return the state at rest: membranes at zero, no refractory steps."""
        units = (self.units,) if isinstance(self.units, int) else tuple(self.units)
        return [ops.zeros((batch_size, *units), self.compute_dtype) for _ in self.state_size]

    def charge(self, inputs: Tensor, states: list[Tensor]) -> Tensor:
        """Return the membrane `(batch, ...)` after leak and input, before a spike resets it."""
        if self.refractory_steps:
            inputs = ops.where(states[1] <= 0, inputs, ops.zeros_like(inputs))
        return self.leak * states[0] + inputs

    @property
    def directions(self) -> tuple[str, ...]:
        """What `linearize` differentiates by: a constant shift of the current, and what neurons learn."""
        learned = {"leak": self.trainable_leak, "threshold": self.trainable_threshold}
        return ("current", *(name for name, is_learned in learned.items() if is_learned))

    def with_tangents(self, states: list[Tensor]) -> list[Tensor]:
        """Return states, and what `linearize` carries beside them: zeros, a tangent and a sum by direction."""
        tangent = ops.zeros_like(states[0])
        count = len(self.directions)
        return [*states, *[tangent] * count, *[ops.cast(tangent, "float32")] * count]

    def linearize(self, inputs: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Process one time step, and carry the derivatives of membrane and spikes forward in time.

        A tangent `e` is the derivative of the membrane by one of `directions`, for example by a shift of the
        currents of all time steps by the same amount. With `h` the surrogate's derivative at a time step,

            e <- beta e + 1;    ds = h e;    hard: e <- (1 - s) e,    soft: e <- e.

        No gradient passes through what this method returns.

        Args:
            inputs: currents `(batch, ...)`.
            states: list of tensors `(batch, ...)`: the states of `call`, a tangent for each direction, and the
                sum of `ds` over time for each direction, in float32. `with_tangents` returns the first.

        Returns:
            Spikes `(batch, ...)`, and the new states.

        Source: rate-based backpropagation, Yu et al., NeurIPS 2024, for the derivative by the current.
        """
        count = len(self.state_size)
        states, carried = states[:count], states[count:]
        membrane = self.charge(inputs, states)
        distance, able = membrane - self.threshold, self._able_to_spike(states)
        spikes, slope = able(self.surrogate.spikes(distance)), able(self.surrogate.derivative(distance))
        new_states = self._settle(membrane, spikes, states)
        tangents, sums = [], []
        # Nothing is added that is zero, nor multiplied by one: backends that do not compile would compute it.
        for i, direction in enumerate(self.directions):
            tangent, total = carried[i], carried[i + len(self.directions)]
            tangent = self.leak * tangent
            if direction == "threshold":
                change = slope * (tangent - 1)
            else:
                tangent = tangent + (states[0] if direction == "leak" else able(1.0))
                change = slope * tangent
            if self.reset == "hard":
                tangent = tangent * (1 - spikes)
            elif self.reset == "soft" and direction == "threshold":
                tangent = tangent - spikes
            if self.reset != "none" and not self.detach_reset:
                tangent = tangent - change * (membrane if self.reset == "hard" else self.threshold)
            tangents.append(ops.cast(tangent, membrane.dtype))
            sums.append(total + ops.cast(change, total.dtype))
        return ops.stop_gradient(spikes), [ops.stop_gradient(x) for x in (*new_states, *tangents, *sums)]

    def response(self, current: Tensor, states: list[Tensor], steps: Any) -> Tensor:
        """Return a tensor whose gradient is that of the firing rates.

        Args:
            current: mean current `(batch, ...)`.
            states: list of tensors from `linearize`.
            steps: time steps that the sums in `states` were taken over, a number or a tensor.
        """
        values = {"current": current, "leak": self.leak, "threshold": self.threshold}
        sums = states[-len(self.directions) :]
        return sum(
            total / steps * ops.cast(values[direction], total.dtype)
            for direction, total in zip(self.directions, sums, strict=True)
        )

    def call(self, inputs: Tensor, states: list[Tensor], training: bool = False) -> tuple[Tensor, list[Tensor]]:
        membrane = self.charge(inputs, states)
        spikes = self._able_to_spike(states)(self.surrogate(membrane - self.threshold))
        return spikes, self._settle(membrane, spikes, states)

    def _able_to_spike(self, states):
        """Return a function that sets values `(batch, ...)` to zero where neurons are refractory."""
        if not self.refractory_steps:
            return lambda values: values
        able = ops.cast(states[1] <= 0, states[0].dtype)
        return lambda values: values * able

    def _settle(self, membrane, spikes, states):
        """Return the states after spikes, for the membrane before them."""
        resetting = ops.stop_gradient(spikes) if self.detach_reset else spikes
        if self.reset == "hard":
            membrane = membrane * (1 - resetting)
        elif self.reset == "soft":
            membrane = membrane - resetting * self.threshold
        if not self.refractory_steps:
            return [membrane]
        remaining = ops.relu(states[1] - 1)
        remaining = ops.where(spikes > 0, self.refractory_steps * ops.ones_like(remaining), remaining)
        return [membrane, ops.stop_gradient(remaining)]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "beta": self.beta,
            "threshold": self.initial_threshold,
            "reset": self.reset,
            "refractory_steps": self.refractory_steps,
            "trainable_leak": self.trainable_leak,
            "trainable_threshold": self.trainable_threshold,
            "surrogate": surrogates.serialize(self.surrogate),
            "detach_reset": self.detach_reset,
        }
