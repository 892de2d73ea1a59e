"""Classes and continuous targets as spikes."""

from typing import Any, Literal, get_args

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Config, Tensor
from keras_bsd.encoding._base import RandomEncoder, check_known_ids, check_known_values, repeat_over_time

ClassCode = Literal["constant", "poisson", "population"]


@keras.saving.register_keras_serializable("keras_bsd")
class ClassEncoder(RandomEncoder):
    """Classes as spike trains, in which only the neurons of the sample's class fire.

    Args:
        classes: int, at least 2.
        timesteps: positive int.
        code: `"constant"` (one neuron per class, a spike at every time step), `"poisson"` (one neuron per
            class, random spikes) or `"population"` (`units_per_class` neurons per class, random spikes).
        rate: float in (0, 1], the firing rate of random spikes, per time step.
        units_per_class: positive int, for `"population"`.
        seed: int for reproducible spikes.

    Call arguments:
        inputs: labels `(batch,)` or probabilities `(batch, classes)`. Returns spikes
            `(batch, time, classes * units_per_class)`; one unit per class but for `"population"`.

    Raises:
        ValueError: an argument is out of range or unknown, or, unless a function is traced, an input is no
            class or no probability. Traced functions have no spike for such a class.

    Example:

    >>> tuple(keras_bsd.encoding.ClassEncoder(10, timesteps=4)(ops.array([3, 7])).shape)
    (2, 4, 10)
    """

    def __init__(
        self,
        classes: int,
        timesteps: int,
        code: ClassCode = "constant",
        rate: float = 0.8,
        units_per_class: int = 8,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(timesteps, seed, **kwargs)
        self.classes = _checks.integer("classes", classes, low=2)
        self.code = _checks.one_of("code", code, get_args(ClassCode))
        self.rate = _checks.real("rate", rate, low=0.0, low_open=True, high=1.0)
        self.units_per_class = _checks.integer("units_per_class", units_per_class, low=1)

    def call(self, inputs: Tensor) -> Tensor:
        one_hot = inputs
        if len(inputs.shape) == 1:
            check_known_ids("Classes", inputs, self.classes)
            one_hot = ops.one_hot(ops.cast(inputs, "int32"), self.classes, dtype=self.compute_dtype)
        else:
            check_known_values(self, inputs, 0.0, 1.0)
        if self.code == "constant":
            return repeat_over_time(one_hot, self.timesteps)
        if self.code == "population":
            one_hot = ops.repeat(one_hot, self.units_per_class, axis=-1)
        return self._draw(self.rate * one_hot)

    def get_config(self) -> Config:
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

    Each value has `units` neurons, whose preferred values are evenly spaced in `[low, high]`. The probability
    of a spike per time step is a Gaussian of the distance between value and preferred value, with the spacing
    as its standard deviation. `DirectEncoder` encodes values as held currents instead.

    Args:
        units: int, at least 2, neurons per value.
        timesteps: positive int.
        low, high: floats, the range of the values.
        seed: int for reproducible spikes.

    Call arguments:
        inputs: values `(batch, values)`. Returns spikes `(batch, time, values * units)`.

    Raises:
        ValueError: an argument is out of range, or, unless a function is traced, a value is out of
            [low, high] or not finite. In traced functions neurons respond to such a value by their tuning
            curves, and to NaN never.

    Example:

    >>> encoder = keras_bsd.encoding.PopulationEncoder(6, timesteps=4)
    >>> tuple(encoder(ops.array([[0.2, 0.9]])).shape)
    (1, 4, 12)
    """

    def __init__(
        self,
        units: int,
        timesteps: int,
        low: float = 0.0,
        high: float = 1.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(timesteps, seed, **kwargs)
        self.units = _checks.integer("units", units, low=2)
        self.low = _checks.real("low", low)
        self.high = _checks.real("high", high, low=self.low, low_open=True)

    def call(self, inputs: Tensor) -> Tensor:
        check_known_values(self, inputs, self.low, self.high)
        preferred = ops.linspace(self.low, self.high, self.units, dtype=inputs.dtype)
        spacing = (self.high - self.low) / (self.units - 1)
        distance = (ops.expand_dims(inputs, -1) - preferred) / spacing
        response = ops.exp(-0.5 * ops.square(distance))
        return self._draw(ops.reshape(response, (-1, inputs.shape[-1] * self.units)))

    def get_config(self) -> Config:
        return {**super().get_config(), "units": self.units, "low": self.low, "high": self.high}
