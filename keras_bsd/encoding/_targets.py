"""Classes and continuous targets as spikes."""

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd.encoding._base import RandomEncoder, over_time


@keras.saving.register_keras_serializable("keras_bsd")
class ClassEncoder(RandomEncoder):
    """A class as a spike train: its own group of neurons speaks, the others are silent.

    Args:
        classes: int, at least 2.
        timesteps: positive int.
        code: `"constant"` (one neuron a class, a spike at every step), `"poisson"` (one neuron a
            class, random spikes) or `"population"` (`units_per_class` neurons a class, random spikes).
        rate: float in (0, 1], spikes per time step of the speaking neurons, if they are random.
        units_per_class: positive int, for `"population"`.
        seed: int for reproducible spikes.

    Call arguments:
        inputs: class numbers `(batch,)` or probabilities `(batch, classes)`. Gives spikes
            `(batch, time, classes * units_per_class)`.

    Example:

    >>> keras_bsd.encoding.ClassEncoder(10, timesteps=4)(keras.ops.array([3, 7])).shape
    (2, 4, 10)
    """

    CODES = ("constant", "poisson", "population")

    def __init__(self, classes, timesteps, code="constant", rate=0.8, units_per_class=8, seed=None, **kwargs):
        super().__init__(timesteps, seed, **kwargs)
        self.classes = _checks.integer("classes", classes, low=2)
        self.code = _checks.one_of("code", code, self.CODES)
        self.rate = _checks.real("rate", rate, low=0.0, low_open=True, high=1.0)
        self.units_per_class = _checks.integer("units_per_class", units_per_class, low=1)

    def call(self, inputs):
        one_hot = inputs
        if len(inputs.shape) == 1:
            one_hot = ops.one_hot(ops.cast(inputs, "int32"), self.classes, dtype=self.compute_dtype)
        if self.code == "constant":
            return over_time(one_hot, self.timesteps)
        if self.code == "population":
            one_hot = ops.repeat(one_hot, self.units_per_class, axis=-1)
        return self._draw(self.rate * one_hot)

    def get_config(self):
        return {
            **super().get_config(),
            "classes": self.classes,
            "code": self.code,
            "rate": self.rate,
            "units_per_class": self.units_per_class,
        }


@keras.saving.register_keras_serializable("keras_bsd")
class PopulationEncoder(RandomEncoder):
    """Continuous values as spikes of neurons with overlapping Gaussian tuning curves.

    Each value has `units` neurons whose preferred values lie evenly in `[low, high]`; a neuron's
    spike probability per time step falls off with the distance, one spacing being one deviation.
    To give values as they are, as held currents, take `DirectEncoder`.

    Args:
        units: int, neurons a value, at least 2.
        timesteps: positive int.
        low, high: floats, the range of the values.
        seed: int for reproducible spikes.

    Call arguments:
        inputs: values `(batch, values)`. Gives spikes `(batch, time, values * units)`.

    Example:

    >>> keras_bsd.encoding.PopulationEncoder(6, timesteps=4)(keras.ops.array([[0.2, 0.9]])).shape
    (1, 4, 12)
    """

    def __init__(self, units, timesteps, low=0.0, high=1.0, seed=None, **kwargs):
        super().__init__(timesteps, seed, **kwargs)
        self.units = _checks.integer("units", units, low=2)
        self.low = _checks.real("low", low)
        self.high = _checks.real("high", high, low=self.low, low_open=True)

    def call(self, inputs):
        preferred = ops.linspace(self.low, self.high, self.units, dtype=inputs.dtype)
        spacing = (self.high - self.low) / (self.units - 1)
        distance = (ops.expand_dims(inputs, -1) - preferred) / spacing
        response = ops.exp(-0.5 * ops.square(distance))
        return self._draw(ops.reshape(response, (-1, inputs.shape[-1] * self.units)))

    def get_config(self):
        return {**super().get_config(), "units": self.units, "low": self.low, "high": self.high}
