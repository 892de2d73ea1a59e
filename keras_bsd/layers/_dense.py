"""The fully connected stage."""

from typing import Any

import keras

from keras_bsd import _checks
from keras_bsd._types import Layer
from keras_bsd.layers._base import dense_to
from keras_bsd.layers._neurons import Neuron
from keras_bsd.layers._normalization import Normalization
from keras_bsd.layers._stage import ConfiguredStage


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingDense(ConfiguredStage):
    """Fully connected spiking stage; inputs of any shape are flattened.

    Args:
        units: positive int.
        normalization: of the currents: `"batch"`, `"layer"` or `None`.
        neuron: a `SpikingLIF`, other `SpikingNeurons` or a `SpikingCell` (default: `SpikingLIF()`).
        timesteps: for the first stage, see `SpikingStage`.

    Call arguments:
        inputs: spikes `(batch, time, ...)`, or with `timesteps` a stimulus `(batch, ...)`. Returns spikes
            `(batch, time, units)`.

    Example:

    >>> stage = keras_bsd.layers.SpikingDense(16, timesteps=4)
    >>> tuple(stage(keras.random.normal((2, 8, 8, 1))).shape)
    (2, 4, 16)
    """

    _config_keys = ("units", "normalization")

    def __init__(
        self,
        units: int,
        normalization: Normalization = "batch",
        neuron: Neuron | None = None,
        timesteps: int | None = None,
        **kwargs: Any,
    ) -> None:
        units, dtype = _checks.integer("units", units, low=1), kwargs.get("dtype")
        synapse = [
            keras.layers.Flatten(data_format="channels_last", dtype=dtype),
            keras.layers.Dense(units, use_bias=normalization is None, dtype=dtype),
        ]
        super().__init__(synapse, neuron, timesteps, normalization, **kwargs)
        self.units, self.normalization = units, normalization

    def backward_synapse(self, features: tuple[Any, ...] | None = None) -> list[Layer]:
        return dense_to(features or self.input_features)
