"""Current-based leaky integrate-and-fire neurons for one time step."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_bsd._types import Config, Function, Tensor
from keras_bsd.layers._lif_cell import SpikingLIFCell, leak_of
from keras_bsd.layers._spiking_cell import Granularity, InitialValue, Reset, SurrogateLike

_DEFAULT_SYNAPTIC_BETA = 0.5


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingCuBaLIFCell(SpikingLIFCell):
    """One time step of current-based (CuBa) neurons, whose synaptic current leaks as their membrane does.

    The synaptic current `i` adds the input `I`, the membrane `u` adds the synaptic current:

        i <- alpha i + I;    u <- beta u + i;    s = 1 if u >= v else 0;    hard: u <- (1 - s) u

    The membrane resets as that of `SpikingLIFCell`; refractory neurons ignore their synaptic current, which
    leaks and adds inputs all the same.

    Args:
        units: int or tuple, see `SpikingCell`.
        beta, tau: leak or time constant of the membrane, see `SpikingLIFCell`.
        synaptic_beta: float in [0, 1], the `alpha` above, the fraction of the synaptic current that remains
            after one step (default 0.5), or an initialiser.
        synaptic_tau: positive float, a time constant in time steps, in place of `synaptic_beta`.
        threshold, reset, refractory_steps: see `SpikingCell`.
        trainable_leak: bool, learn the leaks of membrane and synaptic current, constrained to [0, 1].
        trainable_threshold, surrogate, detach_reset, granularity: see `SpikingCell`.

    Call arguments:
        inputs: currents `(batch, ...)`.
        states: list of the membrane and the synaptic current `(batch, ...)` and, if refractory, the remaining
            refractory steps. Returns spikes `(batch, ...)`, and the list of new states.

    Raises:
        ValueError: an argument is out of range or unknown.

    Example:

    >>> cell = keras_bsd.layers.SpikingCuBaLIFCell(beta=0.5, synaptic_beta=0.5, threshold=1.0)
    >>> neurons = keras_bsd.layers.SpikingNeurons(cell)
    >>> spikes = neurons(ops.array([[[0.75], [0.0], [0.0], [0.5]]]))  # the membrane: 0.75, 0.75, 0.5625, 0.875
    >>> ops.convert_to_numpy(spikes)[0, :, 0].tolist()
    [0.0, 0.0, 0.0, 0.0]
    >>> spikes = neurons(ops.array([[[0.75], [0.5]]]))  # 0.75, then the synaptic current 0.875 and 1.25
    >>> ops.convert_to_numpy(spikes)[0, :, 0].tolist()
    [0.0, 1.0]

    Source: Gerstner et al., "Neuronal Dynamics", 2014, section 1.3, for synaptic currents; the discrete form is
    that of second-order neurons in Zenke and Ganguli, "SuperSpike", Neural Computation 2018.
    """

    dynamics = ("membrane", "synaptic_current")

    def __init__(
        self,
        units: int | Sequence[int] | None = None,
        beta: InitialValue | None = None,
        tau: float | None = None,
        synaptic_beta: InitialValue | None = None,
        synaptic_tau: float | None = None,
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
        self.synaptic_leak: Any = None
        leak = leak_of("synaptic_", synaptic_beta, synaptic_tau, _DEFAULT_SYNAPTIC_BETA)
        self.add_parameter("synaptic_leak", leak, trainable_leak, high=1.0, argument="synaptic_beta")

    def integrate(self, inputs: Tensor | float | None, states: list[Tensor], able: Function) -> list[Tensor]:
        membrane, current = states
        current = self.synaptic_leak * current
        current = current if inputs is None else current + inputs
        return [self.leak * membrane + able(current), current]

    def partial(self, parameter: str, states: list[Tensor], able: Function) -> list[Tensor | None]:
        membrane, current = states
        return {"leak": [membrane, None], "synaptic_leak": [able(current), current]}.get(
            parameter, [None, None]
        )

    def get_config(self) -> Config:
        return {**super().get_config(), "synaptic_beta": self.initial_value("synaptic_leak")}
