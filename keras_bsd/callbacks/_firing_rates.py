"""Stages that say nothing."""

import warnings

import keras

from keras_bsd import _checks
from keras_bsd.callbacks._progress import stage_logs


class FiringRateCheck(keras.callbacks.Callback):
    """Warns, once a stage, of those whose neurons fall silent or fire at nearly every step.

    It looks at the firing rates that `BSDModel.fit` logs anyhow, and so costs nothing.

    Args:
        low: float in [0, 1], spikes per neuron and time step below which a stage counts as dead.
        high: float in [low, 1], from which on it counts as saturated.

    Raises:
        ValueError: an argument is out of range.

    Example:

    >>> model.fit(x, y, callbacks=[keras_bsd.callbacks.FiringRateCheck()])
    """

    def __init__(self, low=0.01, high=0.9):
        super().__init__()
        self.low = _checks.real("low", low, low=0.0, high=1.0)
        self.high = _checks.real("high", high, low=self.low, high=1.0)

    def on_train_begin(self, logs=None):
        self._told = set()

    def on_epoch_end(self, epoch, logs=None):
        for stage, rate in stage_logs(logs, "firing_rate").items():
            rate = float(rate)
            if stage in self._told or self.low <= rate < self.high:
                continue
            self._told.add(stage)
            if rate < self.low:
                state, remedy = "is dead", f"Lower its threshold, or raise `beta` so that less leaks. {_BOTH}"
            else:
                state, remedy = "is saturated", f"Raise its threshold, or lower `beta`. {_BOTH}"
            warnings.warn(
                f"Stage '{stage}' {state}: after epoch {epoch + 1} its neurons fire at {rate:.2%} of the time "
                f"steps, and what it passes on tells stimuli hardly apart. {remedy}",
                stacklevel=2,
            )


_BOTH = (
    "Both are arguments of keras_bsd.layers.SpikingLIF, given to the stage as `neuron`. A stage with "
    'normalization="batch" keeps its currents near the threshold by itself; so may a smaller learning rate.'
)
