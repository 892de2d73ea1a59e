"""Rate coding: random and evenly spaced spikes."""

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd.encoding._base import RandomEncoder, TimeEncoder


@keras.saving.register_keras_serializable("keras_bsd")
class PoissonEncoder(RandomEncoder):
    """Random spikes whose probability per time step is the stimulus's intensity.

    Args:
        timesteps: positive int.
        gain: positive float; an input of `1 / gain` spikes at every time step.
        seed: int for reproducible spikes. The generator's state is saved with the model.

    Call arguments:
        inputs: intensities `(batch, ...)` in [0, 1 / gain]. Gives spikes `(batch, time, ...)`.

    Example:

    >>> keras_bsd.encoding.PoissonEncoder(timesteps=8, seed=0)(keras.ops.full((1, 3), 0.5)).shape
    (1, 8, 3)
    """

    def __init__(self, timesteps, gain=1.0, seed=None, **kwargs):
        super().__init__(timesteps, seed, **kwargs)
        self.gain = _checks.real("gain", gain, low=0.0, low_open=True)

    def call(self, inputs):
        return self._draw(self.gain * inputs)

    def get_config(self):
        return {**super().get_config(), "gain": self.gain}


@keras.saving.register_keras_serializable("keras_bsd")
class RegularEncoder(TimeEncoder):
    """Evenly spaced spikes, as many as the firing rate says, rounded down.

    The `k`-th spike falls on the time step by whose end `k` spikes are due.

    Args:
        timesteps: positive int.

    Call arguments:
        inputs: firing rates `(batch, ...)` in [0, 1], spikes per time step. Gives spikes
            `(batch, time, ...)`.

    Example:

    >>> keras_bsd.encoding.RegularEncoder(timesteps=4)(keras.ops.array([[1.0, 0.5, 0.25]]))[0]
    # [[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 1]]
    """

    def call(self, inputs):
        shape = (-1,) + (1,) * (len(inputs.shape) - 1)
        steps = ops.reshape(ops.arange(self.timesteps + 1, dtype="float32"), shape)
        due = ops.expand_dims(ops.cast(inputs, "float32"), 1) * steps
        due = ops.floor(due + 1e-4)  # a rate of one third is due its spike at the third step
        return ops.cast(due[:, 1:] > due[:, :-1], self.compute_dtype)
