"""Quantised layers inside stages, which a stage's configuration records and restores."""

from collections.abc import Iterable
from typing import Any

import keras

from keras_bsd._types import Config, Layer


def quantized_layers(layers: Iterable[Layer]) -> dict[str, Config]:
    """Return how layers are quantised, by their positions: dtype policies and quantisation configs."""
    return {
        str(i): {
            "dtype": keras.dtype_policies.serialize(layer.dtype_policy),
            "quantization_config": keras.saving.serialize_keras_object(
                getattr(layer, "quantization_config", None)
            ),
        }
        for i, layer in enumerate(layers)
        if layer.quantization_mode is not None
    }


def restore_quantization(layers: Iterable[Layer], quantized: dict[str, Any]) -> None:
    """Make layers that are not built yet build their quantised weights, as `quantized_layers` recorded them."""
    layers = list(layers)
    for position, config in quantized.items():
        layer = layers[int(position)]
        layer.dtype_policy = keras.dtype_policies.deserialize(config["dtype"])
        layer.quantization_config = keras.saving.deserialize_keras_object(config["quantization_config"])
