"""Which layers give of a mean the mean of what they give."""

import itertools

import keras

from keras_bsd.layers.skip_conv import SkipConv2D

KERNEL_LAYERS = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    SkipConv2D,
)
AFFINE_LAYERS = (  # those, and what averages values or only moves them about
    *KERNEL_LAYERS,
    keras.layers.AveragePooling2D,
    keras.layers.ZeroPadding2D,
    keras.layers.Cropping2D,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Permute,
)


def leading_affine(layers):
    """How many of `layers`, from the first on, are affine. A subclass may do anything: it is not."""
    affine = (
        type(layer) in AFFINE_LAYERS and getattr(layer, "activation", None) in (None, keras.activations.linear)
        for layer in layers
    )
    return sum(itertools.takewhile(bool, affine))
