"""The one table of layer kinds: the properties of Keras layers that rules, audit and export rely on."""

import itertools
from typing import Any, Literal, NamedTuple

import keras

from keras_bsd import encoding
from keras_bsd._types import Layer
from keras_bsd.layers._frame_masking import FrameMasking
from keras_bsd.layers._skip_conv import SkipConv2D


class Kind(NamedTuple):
    """Properties of a layer class. Its subclasses may do anything: they have no kind."""

    kernel: Literal["forward", "transposed", "other"] | None = None  # how its kernel joins inputs and outputs
    affine: bool = False  # f(mean(x)) = mean(f(x))
    pooling: Literal["max", "mean"] | None = None
    free: bool = False  # moves values without arithmetic
    statistics: Literal["batch", "sample"] | None = None  # the values it normalises by


_FORWARD = Kind(kernel="forward", affine=True)
_TRANSPOSED = Kind(kernel="transposed", affine=True)
_OTHER_KERNEL = Kind(kernel="other", affine=True)
_MOVES = Kind(affine=True, free=True)

KINDS: dict[Any, Kind] = {
    keras.layers.Dense: _FORWARD,
    keras.layers.Conv1D: _FORWARD,
    keras.layers.Conv2D: _FORWARD,
    keras.layers.Conv3D: _FORWARD,
    keras.layers.Conv1DTranspose: _TRANSPOSED,
    keras.layers.Conv2DTranspose: _TRANSPOSED,
    keras.layers.Conv3DTranspose: _TRANSPOSED,
    keras.layers.EinsumDense: _OTHER_KERNEL,
    keras.layers.DepthwiseConv1D: _OTHER_KERNEL,
    keras.layers.DepthwiseConv2D: _OTHER_KERNEL,
    SkipConv2D: _OTHER_KERNEL,
    keras.layers.MaxPooling1D: Kind(pooling="max"),
    keras.layers.MaxPooling2D: Kind(pooling="max"),
    keras.layers.MaxPooling3D: Kind(pooling="max"),
    keras.layers.AveragePooling1D: Kind(pooling="mean"),
    keras.layers.AveragePooling2D: Kind(pooling="mean", affine=True),
    keras.layers.AveragePooling3D: Kind(pooling="mean"),
    keras.layers.ZeroPadding2D: _MOVES,
    keras.layers.Cropping2D: _MOVES,
    keras.layers.Flatten: _MOVES,
    keras.layers.Reshape: _MOVES,
    keras.layers.Permute: _MOVES,
    keras.layers.InputLayer: Kind(free=True),
    keras.layers.Identity: Kind(free=True),
    keras.layers.Dropout: Kind(free=True),
    keras.layers.Concatenate: Kind(free=True),
    keras.layers.UpSampling2D: Kind(free=True),
    encoding.DirectEncoder: Kind(free=True),
    encoding.OneHotEncoder: Kind(free=True),
    FrameMasking: Kind(free=True),
    keras.layers.BatchNormalization: Kind(statistics="batch"),
    keras.layers.LayerNormalization: Kind(statistics="sample"),
    keras.layers.GroupNormalization: Kind(statistics="sample"),
    keras.layers.RMSNormalization: Kind(statistics="sample"),
    keras.layers.UnitNormalization: Kind(statistics="sample"),
}
_UNKNOWN = Kind()


def kind_of(layer: Layer) -> Kind:
    """Return the `Kind` of a layer, which has no properties if the layer's class is not in the table."""
    return KINDS.get(type(layer), _UNKNOWN)


def classes_with(**properties: Any) -> tuple[Any, ...]:
    """Return the layer classes whose kind has these properties, such as `pooling="max"`."""
    return tuple(
        layer
        for layer, kind in KINDS.items()
        if all(getattr(kind, name) == value for name, value in properties.items())
    )


KERNEL_LAYERS = tuple(layer for layer, kind in KINDS.items() if kind.kernel)


def count_leading_affine(layers: list[Layer]) -> int:
    """Return the number of `layers`, from the first on, that are affine."""
    affine = (
        kind_of(layer).affine and getattr(layer, "activation", None) in (None, keras.activations.linear)
        for layer in layers
    )
    return sum(itertools.takewhile(bool, affine))
