"""Instance normalisation of series that a live stream can have too: by what has been seen so far."""

import keras
from keras import ops

from keras_bsd import _checks, _state_scope
from keras_bsd.layers._time_loop import over_time

EPSILON = 1e-5


@keras.saving.register_keras_serializable("keras_bsd")
class CausalStandardization(keras.layers.Layer):
    """Each element of a series less the mean, over the deviation, of the elements up to it.

    Over the first `window` elements these are the plain mean and deviation of what has been seen, so
    that at the end of a window they are the window's own; from then on elements count less, the older
    they are, by a factor of `1 - 1 / window` each.

    Args:
        window: positive int.

    Call arguments:
        inputs: series `(batch, elements, variables)`. Gives the standardised series and the deviations,
            both of that shape, the latter in the units of the inputs.

    Its state is carried within a `keras_bsd.StateScope` scope.

    Example:

    >>> layer = keras_bsd.layers.CausalStandardization(window=3)
    >>> standardized, deviations = layer(keras.ops.array([[[1.0], [3.0], [5.0]]]))
    >>> float(standardized[0, 1, 0]), float(deviations[0, 1, 0])   # mean 2, deviation 1
    (1.0, 1.0)

    Source: instance normalisation of forecasts is that of Kim et al., "Reversible Instance Normalization
    for Accurate Time-Series Forecasting against Distribution Shift", ICLR 2022, there by whole windows.
    """

    state_names = ("seen", "mean", "variance")

    def __init__(self, window, **kwargs):
        super().__init__(**kwargs)
        self.window = _checks.integer("window", window, low=1)

    def build(self, input_shape):
        self._variables_of_series = input_shape[-1]

    def get_initial_state(self, batch_size):
        """State before the first element: elements seen, mean and variance of every variable."""
        return [ops.zeros((batch_size, self._variables_of_series), self.compute_dtype) for _ in range(3)]

    def call(self, inputs):
        def element(states, inputs):
            (seen, mean, variance), (value,) = states, inputs
            seen = ops.minimum(seen + 1, self.window)
            deviation = value - mean
            mean = mean + deviation / seen
            variance = (1 - 1 / seen) * (variance + ops.square(deviation) / seen)
            scale = ops.sqrt(variance + EPSILON)
            return [(value - mean) / scale, scale, seen], [seen, mean, variance]

        begun = _state_scope.initial_state(self, ops.shape(inputs)[0])
        (standardized, deviations, _), ended = over_time(element, begun, [inputs], unroll=1)
        _state_scope.store_state(self, ended)
        return standardized, deviations

    def compute_output_spec(self, inputs):
        return tuple(keras.KerasTensor(inputs.shape, self.compute_dtype) for _ in range(2))

    def get_config(self):
        return {**super().get_config(), "window": self.window}


@keras.saving.register_keras_serializable("keras_bsd", name="FromLastElement")  # its name in saved files
class Destandardize(keras.layers.Layer):
    """Forecasts in a series' own units: its last element, plus multiples of its last deviation.

    Call arguments:
        inputs: list of the multiples `(batch, horizon, variables)`, the series and its deviations, both
            `(batch, elements, variables)`. Gives `(batch, horizon, variables)`.

    Example:

    >>> ones = keras.ops.ones((2, 5, 3))
    >>> keras_bsd.layers.Destandardize()([ones[:, :1], ones, 2 * ones]).shape    # all 3
    (2, 1, 3)
    """

    def call(self, inputs):
        multiples, series, scale = inputs
        return series[:, -1:] + scale[:, -1:] * multiples
