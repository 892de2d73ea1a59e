"""Latency coding: a stronger input spikes earlier."""

from typing import Any

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Config, Tensor
from keras_bsd.encoding._base import TimeEncoder, check_known_values


@keras.saving.register_keras_serializable("keras_bsd")
class LatencyEncoder(TimeEncoder):
    """One spike per input, the earlier the stronger the input.

    An input of intensity `x` spikes at time step `round((1 - x) (T - 1))`, counted from zero.

    Args:
        timesteps: positive int.
        silence: float in [0, 1), the highest intensity at which an input does not spike at all.

    Call arguments:
        inputs: intensities `(batch, ...)` in [0, 1]. Returns spikes `(batch, time, ...)`.

    Raises:
        ValueError: an argument is out of range, or, unless a function is traced, an input is out of [0, 1] or
            not finite. Traced functions clip their inputs, and NaN has no spike.

    Example:

    >>> spikes = keras_bsd.encoding.LatencyEncoder(timesteps=3)(ops.array([[1.0, 0.5, 0.0]]))
    >>> ops.convert_to_numpy(spikes)[0].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """

    def __init__(self, timesteps: int, silence: float = 0.0, **kwargs: Any) -> None:
        super().__init__(timesteps, **kwargs)
        self.silence = _checks.real("silence", silence, low=0.0, high=1.0, high_open=True)

    def call(self, inputs: Tensor) -> Tensor:
        check_known_values(self, inputs, 0.0, 1.0)
        latency = ops.round((1 - ops.clip(inputs, 0.0, 1.0)) * (self.timesteps - 1))
        latency = ops.where(inputs > self.silence, latency, -ops.ones_like(latency))
        spikes = ops.one_hot(ops.cast(latency, "int32"), self.timesteps, dtype=self.compute_dtype)
        return ops.moveaxis(spikes, -1, 1)

    def get_config(self) -> Config:
        return {**super().get_config(), "silence": self.silence}
