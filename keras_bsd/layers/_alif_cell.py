"""Leaky integrate-and-fire neurons with an adaptive threshold, for one time step."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_bsd import _checks
from keras_bsd._types import Config, Function, Tensor
from keras_bsd.layers._lif_cell import SpikingLIFCell, leak_of
from keras_bsd.layers._spiking_cell import Granularity, InitialValue, Reset, SurrogateLike

_DEFAULT_ADAPTATION_BETA = 0.9


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingALIFCell(SpikingLIFCell):
    """One time step of adaptive (ALIF) neurons: each spike raises the threshold for a while.

    The adaptation `a` counts past spikes and leaks, and raises the threshold `v` by `kappa a`:

        u <- beta u + I;    s = 1 if u >= v + kappa a else 0;    a <- rho a + s;    hard: u <- (1 - s) u

    The membrane resets as that of `SpikingLIFCell`, softly by `v`. Gradients pass through the adaptation.

    Args:
        units: int or tuple, see `SpikingCell`.
        beta, tau: leak or time constant of the membrane, see `SpikingLIFCell`.
        adaptation: float of at least 0, the `kappa` above, by which a spike raises the threshold (default 0.1).
        adaptation_beta: float in [0, 1], the `rho` above, the fraction of the adaptation that remains after one
            step (default 0.9), or an initialiser.
        adaptation_tau: positive float, a time constant in time steps, in place of `adaptation_beta`.
        threshold, reset, refractory_steps, trainable_leak, trainable_threshold, surrogate, detach_reset,
            granularity: see `SpikingLIFCell`. The adaptation's leak is not learned.

    Call arguments:
        inputs: currents `(batch, ...)`.
        states: list of the membrane and the adaptation `(batch, ...)` and, if refractory, the remaining
            refractory steps. Returns spikes `(batch, ...)`, and the list of new states.

    Raises:
        ValueError: an argument is out of range or unknown.

    Example:

    >>> cell = keras_bsd.layers.SpikingALIFCell(beta=0.0, adaptation=0.5, adaptation_beta=0.5, threshold=0.5)
    >>> neurons = keras_bsd.layers.SpikingNeurons(cell)
    >>> spikes = neurons(ops.full((1, 5, 1), 0.875))  # the threshold: 0.5, 1, 0.75, 1.125, 0.8125
    >>> ops.convert_to_numpy(spikes)[0, :, 0].tolist()
    [1.0, 0.0, 1.0, 0.0, 1.0]

    Source: Bellec et al., "A solution to the learning dilemma for recurrent networks of spiking neurons",
    Nature Communications 2020, equations of ALIF neurons.
    """

    dynamics = ("membrane", "adaptation")

    def __init__(
        self,
        units: int | Sequence[int] | None = None,
        beta: InitialValue | None = None,
        tau: float | None = None,
        adaptation: float = 0.1,
        adaptation_beta: InitialValue | None = None,
        adaptation_tau: float | None = None,
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
            beta,
            tau,
            threshold,
            reset,
            refractory_steps,
            trainable_leak,
            trainable_threshold,
            surrogate,
            detach_reset,
            granularity,
            **kwargs,
        )
        self.adaptation = _checks.real("adaptation", adaptation, low=0.0)
        self.adaptation_leak: Any = None
        leak = leak_of("adaptation_", adaptation_beta, adaptation_tau, _DEFAULT_ADAPTATION_BETA)
        self.add_parameter("adaptation_leak", leak, high=1.0, argument="adaptation_beta")

    def integrate(self, inputs: Tensor | float | None, states: list[Tensor], able: Function) -> list[Tensor]:
        membrane, adaptation = states
        return [*super().integrate(inputs, [membrane], able), adaptation]

    def after_spikes(self, states: list[Tensor], spikes: Tensor) -> list[Tensor]:
        membrane, adaptation = states
        return [membrane, self.adaptation_leak * adaptation + spikes]

    def threshold_shift(self, states: list[Tensor]) -> Tensor | None:
        return self.adaptation * states[1]

    def partial(self, parameter: str, states: list[Tensor], able: Function) -> list[Tensor | None]:
        return [*super().partial(parameter, states[:1], able), None]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "adaptation": self.adaptation,
            "adaptation_beta": self.initial_value("adaptation_leak"),
        }
