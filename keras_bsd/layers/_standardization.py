"""Standardisation of series by running statistics, for whole series and live streams alike."""

from typing import Any

import keras
from keras import ops

from keras_bsd import _checks, _state_scope
from keras_bsd._types import Config, Shape, Tensor
from keras_bsd.layers._time_loop import scan_over_time

EPSILON = 1e-5


@keras.saving.register_keras_serializable("keras_bsd")
class CausalStandardization(keras.layers.Layer):
    """Standardisation of each element of a series by the mean and deviation of the elements up to it.

    Over the first `window` elements mean and deviation are plain averages, so that at the end of a window they
    are the window's own. After that they are moving averages: the weight of an element falls with each new
    element, by a factor of `1 - 1 / window`.

    Within a `keras_bsd.StateScope` the layer carries these statistics from call to call.

    Args:
        window: positive int.

    Call arguments:
        inputs: series `(batch, elements, variables)`. Returns the standardised series and the deviations, both
            of that shape, the latter in the units of the inputs.

    Raises:
        ValueError: `window` is out of range.

    Example:

    >>> layer = keras_bsd.layers.CausalStandardization(window=3)
    >>> standardized, deviations = layer(ops.array([[[1.0], [3.0], [5.0]]]))
    >>> round(float(standardized[0, 1, 0]), 3), round(float(deviations[0, 1, 0]), 3)  # mean 2, deviation 1
    (1.0, 1.0)

    Source: Kim et al., "Reversible Instance Normalization for Accurate Time-Series Forecasting against
    Distribution Shift", ICLR 2022, which normalises whole windows.
    """

    state_names = ("seen", "mean", "variance")

    def __init__(self, window: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window = _checks.integer("window", window, low=1)

    def build(self, input_shape: Shape) -> None:
        self._variable_count = input_shape[-1]

    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        """Return the state before the first element: count of elements, mean and variance of each variable."""
        return [ops.zeros((batch_size, self._variable_count), self.compute_dtype) for _ in range(3)]

    def call(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        states = _state_scope.initial_state(self, ops.shape(inputs)[0])
        (standardized, deviations, _), states = scan_over_time(self._step, states, [inputs], unroll=1)
        _state_scope.store_state(self, states)
        return standardized, deviations

    def _step(self, states, inputs):
        (count, mean, variance), (value,) = states, inputs
        count = ops.minimum(count + 1, self.window)
        difference = value - mean
        mean = mean + difference / count
        variance = (1 - 1 / count) * (variance + ops.square(difference) / count)
        deviation = ops.sqrt(variance + EPSILON)
        return [(value - mean) / deviation, deviation, count], [count, mean, variance]

    def compute_output_spec(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(keras.KerasTensor(inputs.shape, self.compute_dtype) for _ in range(2))

    def get_config(self) -> Config:
        return {**super().get_config(), "window": self.window}


@keras.saving.register_keras_serializable("keras_bsd", name="FromLastElement")  # its name in version 0.1
class Destandardize(keras.layers.Layer):
    """Forecasts in the units of a series: its last element plus a multiple of its last deviation.

    Call arguments:
        inputs: list of the multiples `(batch, horizon, variables)`, the series and its deviations, both
            `(batch, elements, variables)`. Returns `(batch, horizon, variables)`.

    Example:

    >>> series, deviations = ops.array([[[5.0], [7.0]]]), ops.array([[[9.0], [0.5]]])
    >>> forecast = keras_bsd.layers.Destandardize()([ops.array([[[1.0], [-2.0]]]), series, deviations])
    >>> ops.convert_to_numpy(forecast)[0, :, 0].tolist()
    [7.5, 6.0]
    """

    def call(self, inputs: list[Tensor]) -> Tensor:
        multiples, series, deviations = inputs
        return series[:, -1:] + deviations[:, -1:] * multiples
