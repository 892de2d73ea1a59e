"""Quantised layers inside stages, which a stage's configuration records and restores."""

from collections.abc import Iterable
from typing import Any

import keras

from keras_bsd._types import Config, Layer
from keras_bsd.layers._int8_kernels import KERNELS, make_quantizable
from keras_bsd.layers._skip_conv import SkipConv2D


def with_inner_convolutions(layers: Iterable[Layer]) -> list[Layer]:
    """Return layers, and behind them the convolutions that some of them consist of."""
    layers = list(layers)
    residual = (layer for layer in layers if isinstance(layer, SkipConv2D))
    return [*layers, *(inner for layer in residual for inner in (layer.convolution, layer.skip))]


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


def restore_quantization(stage: str, layers: list[Layer], quantized: dict[str, Any]) -> None:
    """Give layers the weights that `quantized_layers` recorded, now or where they are not built yet, then."""
    for position, config in quantized.items():
        layer = layers[int(position)]
        layer.quantization_config = keras.saving.deserialize_keras_object(config["quantization_config"])
        if type(layer) in KERNELS:  # a layer of a configuration may be built already, in single precision
            make_quantizable(stage, [layer])
        layer.dtype_policy = keras.dtype_policies.deserialize(config["dtype"])
