"""Integrate-and-fire neurons for one time step, without and with a leak."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_bsd import _checks
from keras_bsd._types import Config, Function, Tensor
from keras_bsd.layers._spiking_cell import Granularity, InitialValue, Reset, SpikingCell, SurrogateLike

_DEFAULT_BETA = 0.5


def leak_of(name: str, beta: Any, tau: Any, default: float) -> Any:
    """Return a leak that is given by `{name}beta` or by `{name}tau`, or raise if both are given."""
    if tau is None:
        return default if beta is None else beta
    if beta is not None:
        raise ValueError(
            f"Set the leak by `{name}beta` or by `{name}tau`, not both. Received: "
            f"{name}beta={beta!r}, {name}tau={tau!r}"
        )
    return math.exp(-1 / _checks.real(f"{name}tau", tau, low=0.0, low_open=True))


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingIFCell(SpikingCell):
    """One time step of integrate-and-fire neurons, which do not leak.

    The membrane `u` adds the current `I`, and spikes where it reaches the threshold `v`:

        u <- u + I;    s = 1 if u >= v else 0;    hard: u <- (1 - s) u,    soft: u <- u - s v

    Args:
        units, threshold, reset, refractory_steps, trainable_threshold, surrogate, detach_reset, granularity:
            see `SpikingCell`.

    Call arguments:
        inputs, states: see `SpikingCell`.

    Raises:
        ValueError: an argument is out of range or unknown.

    Example:

    >>> neurons = keras_bsd.layers.SpikingNeurons(keras_bsd.layers.SpikingIFCell(threshold=1.0))
    >>> spikes = neurons(ops.full((1, 5, 1), 0.375))  # the membrane: 0.375, 0.75, 1.125, 0.375, 0.75
    >>> ops.convert_to_numpy(spikes)[0, :, 0].tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0]
    """

    def integrate(self, inputs: Tensor | float | None, states: list[Tensor], able: Function) -> list[Tensor]:
        return [states[0] if inputs is None else states[0] + able(inputs)]


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingLIFCell(SpikingCell):
    """One time step of leaky integrate-and-fire neurons, usable in `keras.layers.RNN`.

    The membrane `u` leaks, adds the current `I`, and spikes where it reaches the threshold `v`:

        u <- beta u + I;    s = 1 if u >= v else 0;    hard: u <- (1 - s) u,    soft: u <- u - s v

    For the `n = refractory_steps` steps after a spike a neuron ignores its current and cannot spike; its
    membrane only leaks.

    Args:
        units: int or tuple, the shape of one sample's neurons. `None`: that of the first input.
        beta: float in [0, 1], the fraction of the membrane that remains after one step (default 0.5), or the
            Keras initialiser, or its name or configuration, of one for each `granularity`.
        tau: positive float, a time constant in time steps, in place of `beta`: `beta = exp(-1 / tau)`.
        threshold: positive float (default 0.6, the best in the paper's ablation), or an initialiser.
        reset: `"hard"` (to zero), `"soft"` (by subtraction) or `"none"`.
        refractory_steps: int, time steps after a spike in which a neuron cannot spike.
        trainable_leak, trainable_threshold: bools, learn them, constrained to [0, 1] and to [0.001, inf).
        surrogate: name, `keras_bsd.surrogates.Surrogate`, or a function that returns the derivative.
        detach_reset: bool, let no gradient pass through the reset.
        granularity: which neurons share a leak and a threshold: those of a `"layer"`, of a `"channel"` (the
            last axis), or none, `"neuron"`.

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

    Source: Perez-Nieves et al., "Neural heterogeneity promotes robust learning", Nature Communications 2021,
    for leaks that differ between neurons.
    """

    def __init__(
        self,
        units: int | Sequence[int] | None = None,
        beta: InitialValue | None = None,
        tau: float | None = None,
        threshold: InitialValue = 0.6,
        reset: Reset = "hard",
        refractory_steps: int = 0,
        trainable_leak: bool = False,
        trainable_threshold: bool = False,
        surrogate: SurrogateLike = "atan",
        detach_reset: bool = True,
        granularity: Granularity = "layer",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            threshold,
            reset,
            refractory_steps,
            trainable_threshold,
            surrogate,
            detach_reset,
            granularity,
            **kwargs,
        )
        self.leak: Any = None
        self.add_parameter(
            "leak", leak_of("", beta, tau, _DEFAULT_BETA), trainable_leak, high=1.0, argument="beta"
        )
        self.trainable_leak = trainable_leak

    def integrate(self, inputs: Tensor | float | None, states: list[Tensor], able: Function) -> list[Tensor]:
        membrane = self.leak * states[0]
        return [membrane if inputs is None else membrane + able(inputs)]

    def partial(self, parameter: str, states: list[Tensor], able: Function) -> list[Tensor | None]:
        return [states[0] if parameter == "leak" else None]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "beta": self.initial_value("leak"),
            "trainable_leak": self.trainable_leak,
        }
