"""Normalisation of a stage's currents."""

from typing import Literal, get_args

import keras

from keras_bsd import _checks

Normalization = Literal["batch", "layer", None]


def normalization_layers(kind, dtype):
    """Return the layers that normalise currents: one, or none for `None`."""
    _checks.one_of("normalization", kind, get_args(Normalization))
    if kind == "batch":
        # Spiking networks train in few steps: the moving statistics must follow within tens of them.
        return [keras.layers.BatchNormalization(momentum=0.9, dtype=dtype)]
    return [keras.layers.GroupNormalization(groups=1, dtype=dtype)] if kind == "layer" else []
