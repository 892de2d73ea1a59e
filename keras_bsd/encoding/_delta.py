"""Delta coding: spikes where a signal changes."""

import math
from typing import Any

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Config, Tensor
from keras_bsd.encoding._base import check_known_values


@keras.saving.register_keras_serializable("keras_bsd")
class DeltaEncoder(keras.layers.Layer):
    """Spikes where a signal has risen by at least `threshold` since the previous time step.

    The first time step is compared with zero.

    Args:
        threshold: positive float in the signal's units.
        off_spikes: bool, add spikes where the signal has fallen by at least `threshold`, as further channels of
            the last axis.

    Call arguments:
        inputs: signals `(batch, time, ..., channels)`. Returns spikes of the same shape, with
            `2 * channels` channels if `off_spikes`.

    Raises:
        ValueError: `threshold` is out of range, or the input has no time axis or, unless a function is traced,
            is not finite.

    Example:

    >>> spikes = keras_bsd.encoding.DeltaEncoder(0.5)(ops.array([[[0.0], [1.0], [1.2]]]))
    >>> ops.convert_to_numpy(spikes)[0, :, 0].tolist()
    [0.0, 1.0, 0.0]
    """

    def __init__(self, threshold: float = 0.1, off_spikes: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = _checks.real("threshold", threshold, low=0.0, low_open=True)
        self.off_spikes = off_spikes

    def call(self, inputs: Tensor) -> Tensor:
        _checks.require_time_axis(self.__class__.__name__, inputs.shape)
        check_known_values(self, inputs, -math.inf, math.inf)
        before = ops.concatenate([ops.zeros_like(inputs[:, :1]), inputs[:, :-1]], axis=1)
        change = inputs - before
        if self.off_spikes:
            change = ops.concatenate([change, -change], axis=-1)
        return ops.cast(change >= self.threshold, self.compute_dtype)

    def get_config(self) -> Config:
        return {**super().get_config(), "threshold": self.threshold, "off_spikes": self.off_spikes}
