"""The pair for forecasts: from a window of a series to the values that follow."""

from typing import Any

import keras
from keras import ops

from keras_bsd._types import Model
from keras_bsd.layers._stage import walk
from keras_bsd.layers._standardization import CausalStandardization
from keras_bsd.models._pair import BSDModel, Task
from keras_bsd.models._streamer import Streamer

# In deviations of the window. Larger values, of windows that are nearly constant, are clipped for the decoder.
MAX_DEVIATIONS = 8.0


@keras.saving.register_keras_serializable("keras_bsd")
class BSDForecastModel(BSDModel):
    """A recurrent spiking encoder from windows to forecasts, and its decoder, trained by distillation.

    A window is a sample, and pairs of windows are repelled in proportion to the dissimilarity of their
    continuations. If the encoder standardises by instance (`CausalStandardization`), the decoder's stimuli and
    concepts are standardised too: windows and continuations less the window's last element, in multiples of the
    window's deviation. These are the units of `recall`.

    Args:
        encoder: built Keras model from windows `(batch, window, variables)` to forecasts
            `(batch, horizon, variables)`.
        decoder: built Keras model from `(batch, horizon, variables)` to `(batch, window, variables)`.
        task: `"regression"`.
        **kwargs: arguments of `BSDModel`.

    Raises:
        ValueError: see `BSDModel`.

    Example:

    >>> model = keras_bsd.applications.SpikingForecaster(window=12, horizon=3, variables=1, units=(8,))
    >>> model.compile(keras.optimizers.AdamW(6e-3))
    >>> tuple(model(np.ones((2, 12, 1))).shape)
    (2, 3, 1)
    """

    def __init__(self, encoder: Model, decoder: Model, task: Task = "regression", **kwargs: Any) -> None:
        super().__init__(encoder, decoder, task=task, **kwargs)

    def _decoder_views(self, x, y):
        targets = self._targets(y)
        return standardized_views(self.encoder, x, x, targets)

    def _weights_of_samples(self, sample_weight, masks, count):
        check_whole_windows(self.encoder, masks)
        return super()._weights_of_samples(sample_weight, masks, count)

    def streamer(self, streams: int | None = None) -> Streamer:
        """Return a `Streamer` that takes one element of a series at a time and returns a forecast for each.

        Args:
            streams: positive int, the number of parallel streams; `None` for one, without a stream axis.
        """
        return Streamer(self.encoder, streams)


def check_whole_windows(encoder, masks):
    """Raise if an encoder that standardises windows has masked elements; `masks` are by stage."""
    if masks and any(isinstance(layer, CausalStandardization) for layer in walk(encoder)):
        raise ValueError(
            "A model for forecasts takes whole windows, by which its encoder standardises and targets are "
            "compared. Received: an encoder that masks elements. Pass windows without padding, or train the "
            "encoder alone, by encoder.fit(...)."
        )


def standardized_views(encoder, x, *values):
    """Return values `(batch, ..., variables)` as an encoder standardises its windows.

    They are taken less the window's last element, in multiples of the window's deviation, and clipped. Without
    `CausalStandardization` they are returned as they are.

    Args:
        encoder: Keras model.
        x: windows `(batch, window, variables)`.
        *values: tensors.
    """
    layers = [layer for layer in walk(encoder) if isinstance(layer, CausalStandardization)]
    if not layers:
        return values
    x = ops.cast(x, "float32")
    _, scale = layers[0](x)
    level, scale = x[:, -1:], scale[:, -1:]
    return tuple(
        ops.clip((ops.cast(v, x.dtype) - level) / scale, -MAX_DEVIATIONS, MAX_DEVIATIONS) for v in values
    )
