"""The nodes of a NIR graph between neurons as Keras layers."""

import math

import keras
import numpy as np

from keras_bsd.export._nir_synapse import channels_first, same_paddings, unreadable


class Layers:
    """Keras layers, node by node. Maps are channels-last, and their weights are turned accordingly.

    Attributes:
        shape: shape of the last layer's output for one sample and time step.
        layers: those since the last `take`.
        weights: pairs of a layer and its weights, arrays.
    """

    def __init__(self, shape):
        self.shape = (*shape[1:], shape[0])
        self.layers, self.weights = [], []
        self._flattened = None  # shape of the map whose values have another order here than in NIR

    def add(self, name, node):
        """Append the layer of a node, of a type in `LAYERS`.

        Raises:
            ValueError: it does not fit the node before it, or Keras has no such layer.
        """
        LAYERS[type(node).__name__](self, name, node)

    def take(self):
        """Return the layers, and begin the next stage."""
        layers, self.layers = self.layers, []
        return layers

    def check_shape(self, name, node, shape):
        """Raise unless a node's shape, in NIR, is that of the map before it."""
        shape = tuple(int(n) for n in shape)
        if shape != channels_first(self.shape):
            raise self._mismatch(name, node, f"its shape is {shape}")

    def _mismatch(self, name, node, own):
        remedy = "" if self.layers or self.weights else "The shape of a graph's Input has no batch axis."
        why = f"{own}, and the node before it gives {channels_first(self.shape)}"
        return unreadable(name, node, why, remedy)

    def check_order(self, name, node):
        """Raise if values are in another order than in NIR, and no layer is left to make up for it."""
        if self._flattened is not None:
            raise unreadable(name, node, "a Flatten of maps is before it, and no Affine between the two")

    def _append(self, name, node, layer, weights=()):
        try:
            shape = tuple(layer.compute_output_shape((None, *self.shape))[1:])
        except ValueError as error:
            raise self._mismatch(name, node, str(error).rstrip(".")) from error
        if min(shape) < 1:
            raise self._mismatch(name, node, "it is larger than the map")
        self.shape = shape
        self.layers.append(layer)
        if weights:
            self.weights.append((layer, [np.asarray(array, "float32") for array in weights]))

    def _affine(self, name, node):
        weight = np.asarray(node.weight)
        if weight.ndim != 2 or self.shape != weight.shape[1:]:
            raise self._mismatch(name, node, f"its weight has the shape {weight.shape}")
        if self._flattened is not None:
            *places, channels = self._flattened
            maps = weight.reshape(-1, channels, *places)
            weight, self._flattened = np.moveaxis(maps, 1, -1).reshape(weight.shape), None
        bias = getattr(node, "bias", None)
        layer = keras.layers.Dense(len(weight), use_bias=bias is not None)
        self._append(name, node, layer, [weight.T] if bias is None else [weight.T, bias])

    def _conv(self, name, node):
        weight = np.asarray(node.weight)
        rank, groups, (filters, inputs, *sizes) = weight.ndim - 2, int(np.asarray(node.groups)), weight.shape
        if len(self.shape) != rank + 1 or inputs * groups != self.shape[-1] or filters % groups:
            own = f"its weight has the shape {weight.shape} with groups={groups}"
            raise self._mismatch(name, node, own)
        strides, dilations = _tuple(node.stride, rank), _tuple(node.dilation, rank)
        if max(strides) > 1 and max(dilations) > 1:
            raise unreadable(name, node, f"Keras has no stride={strides} together with dilation={dilations}")
        layer = (keras.layers.Conv1D, keras.layers.Conv2D)[rank - 1](
            filters,
            sizes,
            strides,
            self._pad(name, node, sizes, strides, dilations),
            dilation_rate=dilations,
            groups=groups,
            data_format="channels_last",
        )
        bias = np.zeros(filters) if node.bias is None else np.asarray(node.bias)
        self._append(name, node, layer, [np.moveaxis(weight, (0, 1), (-1, -2)), bias])

    def _pad(self, name, node, sizes, strides, dilations):
        """Return the padding in Keras of a convolution, behind a layer that pads where Keras would differ."""
        padding = node.padding.decode() if isinstance(node.padding, bytes) else node.padding
        if isinstance(padding, str):
            if padding == "same" and max(strides) > 1:
                raise unreadable(name, node, f'padding="same" is not defined for stride={strides}')
            return padding
        padding = _tuple(padding, len(sizes))
        if not any(padding):
            return "valid"
        if same_paddings(self.shape[:-1], sizes, strides, dilations) == [(n, n) for n in padding]:
            return "same"
        self._zeros(name, node, padding)
        return "valid"

    def _zeros(self, name, node, padding):
        if len(padding) == 1:
            return self._append(name, node, keras.layers.ZeroPadding1D(padding[0]))
        layer = keras.layers.ZeroPadding2D(padding, data_format="channels_last")
        return self._append(name, node, layer)

    def _average(self, name, node):
        if len(self.shape) != 3:
            raise self._mismatch(name, node, "it pools maps")
        padding = _tuple(node.padding, 2)
        if any(padding):
            self._zeros(name, node, padding)
        sizes, strides = _tuple(node.kernel_size, 2), _tuple(node.stride, 2)
        layer = keras.layers.AveragePooling2D(sizes, strides, data_format="channels_last")
        self._append(name, node, layer)

    def _sum(self, name, node):
        self._average(name, node)
        self._append(name, node, keras.layers.Rescaling(math.prod(_tuple(node.kernel_size, 2))))

    def _flatten(self, name, node):
        start, end = int(np.asarray(node.start_dim)), int(np.asarray(node.end_dim))
        if len(self.shape) == 1:
            return
        if start != 0 or end % len(self.shape) != len(self.shape) - 1:
            why = f"it leaves axes alone, with start_dim={start} and end_dim={end}"
            raise unreadable(name, node, why, "Only a Flatten of all axes of a sample can be read.")
        if math.prod(self.shape[:-1]) > 1 and self.shape[-1] > 1:
            self._flattened = self.shape
        self._append(name, node, keras.layers.Flatten(data_format="channels_last"))

    def _scale(self, name, node):
        scale = np.asarray(node.scale, "float64")
        if scale.size > 1:
            self.check_shape(name, node, scale.shape)
            if self._flattened is not None:
                *places, channels = self._flattened
                scale = scale.reshape(channels, *places)
            scale = np.moveaxis(scale, 0, -1).reshape(self.shape)
        self._append(name, node, keras.layers.Rescaling(scale.tolist()))


def _tuple(values, rank):
    return tuple(np.broadcast_to(np.asarray(values), (rank,)).tolist())


LAYERS = {
    "Affine": Layers._affine,
    "Linear": Layers._affine,
    "Conv1d": Layers._conv,
    "Conv2d": Layers._conv,
    "AvgPool2d": Layers._average,
    "SumPool2d": Layers._sum,
    "Flatten": Layers._flatten,
    "Scale": Layers._scale,
}
