"""Warnings of stages whose neurons are silent or saturated."""

import warnings

import keras

from keras_bsd import _checks
from keras_bsd.callbacks._progress import Logs, stage_logs

_REMEDIES = (
    "Both are arguments of keras_bsd.layers.SpikingLIF, passed to the stage as `neuron`. A stage with "
    'normalization="batch" keeps its currents near the threshold; a smaller learning rate may help too.'
)


class FiringRateCheck(keras.callbacks.Callback):
    """Warns once per stage if its neurons fall silent or fire at nearly every time step.

    It uses the firing rates that `BSDModel.fit` logs, and computes nothing itself.

    Args:
        low: float in [0, 1], spikes per neuron and time step below which a stage counts as dead.
        high: float in [low, 1], spikes per neuron and time step from which a stage counts as saturated.

    Raises:
        ValueError: an argument is out of range, or, after an epoch, the logs have no firing rates.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(16,))
    >>> model.compile(run_eagerly=True)  # starts at once
    >>> x, y = np.random.default_rng(0).random((20, 8, 8, 1)), np.arange(20) % 10
    >>> history = model.fit(x, y, callbacks=[keras_bsd.callbacks.FiringRateCheck()], verbose=0)
    """

    def __init__(self, low: float = 0.01, high: float = 0.9) -> None:
        super().__init__()
        self.low = _checks.real("low", low, low=0.0, high=1.0)
        self.high = _checks.real("high", high, low=self.low, high=1.0)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._warned: set[str] = set()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        rates = stage_logs(logs or {}, "firing_rate")
        if not rates:
            raise ValueError(
                "`FiringRateCheck` is for the `fit` of a keras_bsd.BSDModel, which logs firing rates. "
                f"Received: logs of {', '.join(logs or {}) or 'nothing'}"
            )
        for stage, rate in rates.items():
            rate = float(rate)
            if stage in self._warned or self.low <= rate < self.high:
                continue
            self._warned.add(stage)
            if rate < self.low:
                state, remedy = "dead", "Lower its threshold, or raise `beta` so that less leaks."
            else:
                state, remedy = "saturated", "Raise its threshold, or lower `beta`."
            warnings.warn(
                f"Stage '{stage}' is {state}: after epoch {epoch + 1} its neurons fire at {rate:.2%} of the "
                f"time steps, and its output hardly distinguishes stimuli. {remedy} {_REMEDIES}",
                stacklevel=2,
            )
