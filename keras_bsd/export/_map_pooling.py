"""Pooling of maps over time as runtimes have it: in two dimensions."""

import contextlib
import functools

import keras
from keras import ops

from keras_bsd.layers._stage import walk

_POOLING = {keras.layers.MaxPooling3D: ops.max_pool, keras.layers.AveragePooling3D: ops.average_pool}


@contextlib.contextmanager
def pooled_in_two_dimensions(network):
    """Pool the maps of each time step for itself within the block, by operations on `(batch, height, ...)`.

    Layers such as `MaxPooling3D((1, 2, 2))` compute the same in three dimensions, which LiteRT lacks.

    Args:
        network: Keras model. Its layers that pool over time steps remain as they are.
    """
    layers = [layer for layer in walk(network) if _keeps_time(layer)]
    for layer in layers:
        layer.__dict__["call"] = functools.partial(_pool_maps, layer)
    try:
        yield
    finally:
        for layer in layers:
            layer.__dict__.pop("call", None)  # a layer may be called several times


def _keeps_time(layer):
    if type(layer) not in _POOLING or layer.data_format != "channels_last":
        return False
    return layer.pool_size[0] == layer.strides[0] == 1


def _pool_maps(layer, spikes):
    _, steps, *features = ops.shape(spikes)
    maps = ops.reshape(spikes, (-1, *features))
    pool = _POOLING[type(layer)]
    pooled = pool(maps, layer.pool_size[1:], layer.strides[1:], layer.padding, layer.data_format)
    return ops.reshape(pooled, (-1, steps, *pooled.shape[1:]))
