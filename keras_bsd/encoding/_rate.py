"""Rate coding: random and evenly spaced spikes."""

from typing import Any

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Config, Tensor
from keras_bsd.encoding._base import RandomEncoder, TimeEncoder, check_known_values


@keras.saving.register_keras_serializable("keras_bsd")
class PoissonEncoder(RandomEncoder):
    """Random spikes whose probability per time step is the intensity of the stimulus.

    Args:
        timesteps: positive int.
        gain: positive float; an input of `1 / gain` spikes at every time step.
        seed: int for reproducible spikes. The generator's state is saved with the model.

    Call arguments:
        inputs: intensities `(batch, ...)` in [0, 1 / gain]. Returns spikes `(batch, time, ...)`.

    Raises:
        ValueError: an argument is out of range, or, unless a function is traced, an input is out of
            [0, 1 / gain] or not finite. In traced functions a greater input spikes at every time step, and NaN
            never.

    Example:

    >>> encoder = keras_bsd.encoding.PoissonEncoder(timesteps=8, seed=0)
    >>> tuple(encoder(ops.full((1, 3), 0.5)).shape)
    (1, 8, 3)
    """

    def __init__(self, timesteps: int, gain: float = 1.0, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(timesteps, seed, **kwargs)
        self.gain = _checks.real("gain", gain, low=0.0, low_open=True)

    def call(self, inputs: Tensor) -> Tensor:
        check_known_values(self, inputs, 0.0, 1 / self.gain)
        return self._draw(self.gain * inputs)

    def get_config(self) -> Config:
        return {**super().get_config(), "gain": self.gain}


@keras.saving.register_keras_serializable("keras_bsd")
class RegularEncoder(TimeEncoder):
    """Evenly spaced spikes at a firing rate.

    After `t` time steps an input of rate `r` has spiked `floor(r t)` times.

    Args:
        timesteps: positive int.

    Call arguments:
        inputs: firing rates `(batch, ...)` in [0, 1], in spikes per time step. Returns spikes
            `(batch, time, ...)`.

    Raises:
        ValueError: `timesteps` is out of range, or, unless a function is traced, an input is out of [0, 1] or
            not finite. In traced functions a greater input spikes at every time step, and NaN never.

    Example:

    >>> spikes = keras_bsd.encoding.RegularEncoder(timesteps=4)(ops.array([[1.0, 0.5, 0.25]]))
    >>> ops.convert_to_numpy(spikes)[0].tolist()
    [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """

    def call(self, inputs: Tensor) -> Tensor:
        check_known_values(self, inputs, 0.0, 1.0)
        shape = (-1,) + (1,) * (len(inputs.shape) - 1)
        steps = ops.reshape(ops.arange(self.timesteps + 1, dtype="float32"), shape)
        counts = ops.expand_dims(ops.cast(inputs, "float32"), 1) * steps
        counts = ops.floor(counts + 1e-4)  # a rounded product, such as 3 * 0.333, must not delay its spike
        return ops.cast(counts[:, 1:] > counts[:, :-1], self.compute_dtype)
