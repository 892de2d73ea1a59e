"""The pair for forecasts: from a window of a series to the values that follow."""

import keras
from keras import ops

from keras_bsd.layers._standardization import CausalStandardization
from keras_bsd.models._pair import BSDModel
from keras_bsd.models._streamer import Streamer

# In deviations of the window: how far the decoder looks. A window that stands still has hardly any.
FARTHEST = 8.0


@keras.saving.register_keras_serializable("keras_bsd")
class BSDForecastModel(BSDModel):
    """A recurrent spiking encoder from windows to forecasts, and its decoder, trained by distillation.

    A window is a sample; windows whose continuations are alike are not pushed apart. If the encoder
    standardises by instance (`CausalStandardization`), the decoder sees windows and continuations alike
    as the encoder's stages do: less the window's last element, in multiples of its deviation. That is
    what `recall` takes and gives.

    Args:
        encoder: built Keras model from windows `(batch, window, variables)` to forecasts
            `(batch, horizon, variables)`.
        decoder: built Keras model back from `(batch, horizon, variables)`.
        **kwargs: see `BSDModel`.

    Raises:
        ValueError: as `BSDModel`.

    Example:

    >>> model = keras_bsd.applications.SpikingForecaster(window=48, horizon=6, variables=1)
    >>> model.compile(keras.optimizers.AdamW(3e-3))
    """

    def __init__(self, encoder, decoder, task="regression", **kwargs):
        super().__init__(encoder, decoder, task=task, **kwargs)

    def _decoder_views(self, x, y):
        targets = self._targets(y)
        found = [layer for layer in self.encoder.layers if isinstance(layer, CausalStandardization)]
        if not found:
            return x, targets
        x = ops.cast(x, targets.dtype)
        _, scale = found[0](x)
        level, scale = x[:, -1:], scale[:, -1:]
        return tuple(ops.clip((part - level) / scale, -FARTHEST, FARTHEST) for part in (x, targets))

    def streamer(self, streams=None):
        """A `Streamer` that takes one element of a series at a time and gives a forecast for each.

        Args:
            streams: int, parallel streams; `None` for one, without an axis of its own.
        """
        return Streamer(self.encoder, streams)
