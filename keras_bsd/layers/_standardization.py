"""Standardisation of series by running statistics, for whole series and live streams alike."""

from typing import Any

import keras
from keras import ops

from keras_bsd import _checks, _state_scope
from keras_bsd._types import Config, Shape, Tensor
from keras_bsd.layers._masks import mask_of, take_last
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
        mask: booleans `(batch, elements)`; elements where it is false are skipped: their output is zero, and
            the statistics do not change.

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
        self.supports_masking = True

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None) -> list[Tensor | None]:
        return [previous_mask, previous_mask]

    def build(self, input_shape: Shape) -> None:
        self._variable_count = input_shape[-1]

    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        """Return the state before the first element: count of elements, mean and variance of each variable."""
        return [ops.zeros((batch_size, self._variable_count), self.compute_dtype) for _ in range(3)]

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        states = _state_scope.initial_state(self, ops.shape(inputs)[0])
        sequences = [inputs] if mask is None else [inputs, mask_of(inputs, mask)]
        (standardized, deviations, _), states = scan_over_time(self._step, states, sequences, unroll=1)
        _state_scope.store_state(self, states)
        return standardized, deviations

    def _step(self, states, inputs):
        (count, mean, variance), (value, *mask) = states, inputs
        count = ops.minimum(count + 1, self.window)
        difference = value - mean
        mean = mean + difference / count
        variance = (1 - 1 / count) * (variance + ops.square(difference) / count)
        deviation = ops.sqrt(variance + EPSILON)
        standardized, after = (value - mean) / deviation, [count, mean, variance]
        if mask:
            (present,) = (ops.expand_dims(entry, -1) for entry in mask)
            standardized = ops.where(present, standardized, ops.zeros_like(standardized))
            after = [ops.where(present, new, old) for new, old in zip(after, states, strict=True)]
        return [standardized, deviation, count], after

    def compute_output_spec(self, inputs: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
        return tuple(keras.KerasTensor(inputs.shape, self.compute_dtype) for _ in range(2))

    def get_config(self) -> Config:
        return {**super().get_config(), "window": self.window}


@keras.saving.register_keras_serializable("keras_bsd", name="FromLastElement")  # its name in version 0.1
class Destandardize(keras.layers.Layer):
    """Forecasts in the units of a series: its last element plus a multiple of its last deviation.

    Call arguments:
        inputs: list of the multiples `(batch, horizon, variables)`, the series and its deviations, both
            `(batch, elements, variables)`. Returns `(batch, horizon, variables)`.
        mask: list of None and the two masks of the latter, `(batch, elements)` or None: the last element is the
            last where they are true.

    Example:

    >>> series, deviations = ops.array([[[5.0], [7.0]]]), ops.array([[[9.0], [0.5]]])
    >>> forecast = keras_bsd.layers.Destandardize()([ops.array([[[1.0], [-2.0]]]), series, deviations])
    >>> ops.convert_to_numpy(forecast)[0, :, 0].tolist()
    [7.5, 6.0]
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs: list[Tensor], previous_mask: Any) -> None:
        """Return None: forecasts are whole."""

    def call(self, inputs: list[Tensor], mask: list[Tensor | None] | None = None) -> Tensor:
        multiples, series, deviations = inputs
        of_series, of_deviations = (mask or [None] * 3)[1:]
        mask = of_series if of_deviations is None else of_deviations
        mask = None if mask is None else ops.cast(mask, "bool")
        level, deviation = (take_last(values, mask)[:, None] for values in (series, deviations))
        return level + deviation * multiples
