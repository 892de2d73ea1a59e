"""The layers of a synapse as nodes of a NIR graph."""

import math

import keras
import numpy as np

from keras_bsd._optional import require

# At inference these layers return their inputs.
IDENTITIES = (
    keras.layers.Identity,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.ActivityRegularization,
)


def require_nir():
    """Return the package `nir`."""
    return require("nir", "Export to NIR", "nir")


def refusal(layer, why, remedy=""):
    """Return the error of a layer that cannot be written."""
    message = f"Layer '{layer.name}' cannot be written to NIR: {why}. Received: {type(layer).__name__}"
    return ValueError(f"{message}. {remedy}" if remedy else message)


def unreadable(name, node, why, remedy=""):
    """Return the error of a node that cannot be read."""
    message = f"Node '{name}' cannot be read: {why}. Received: {type(node).__name__}"
    return ValueError(f"{message}. {remedy}" if remedy else message)


def channels_first(shape):
    """Return the shape of a map in NIR."""
    return (shape[-1], *shape[:-1])


def synapse_nodes(stage, shape, reader, first):
    """Return the nodes of a stage's synapse by name, in order, and the shapes of its input and output in Keras.

    Where a reader's Flatten would flatten the batch too, the first stage's input is flat in place of a map. A
    later `Dense` is then a convolution whose kernel is as large as the map, and so are those behind it.

    Args:
        stage: a `SpikingStage` or `Readout`.
        shape: shape of its input; axes of size one may precede those of the stage.
        reader: `Reader` that the file is for.
        first: bool, whether the input is that of the graph.

    Raises:
        ValueError: a layer cannot be expressed in NIR, or the reader cannot run it.
    """
    synapse = _Synapse(stage, shape, reader, first)
    for layer in stage.synapse.layers:
        synapse.add(layer)
    return synapse.nodes(), synapse.input_shape, synapse.shape


class _Synapse:
    """Nodes of a stage's synapse, layer by layer.

    Elementwise layers are merged into the product before them, or else into the one behind them: until then
    `_scale` and `_shift`, with the axes of one time step, are to be applied.
    """

    def __init__(self, stage, shape, reader, first):
        self._stage, self._reader, self._first = stage, reader, first
        self.input_shape = self.shape = tuple(shape)
        self._added = len(shape) - len(stage.input_features)  # axes of size one that Keras has not
        self._nodes = []  # of each node the kind, the class in NIR, its arguments and its output's shape
        self._product = None  # arguments of the last product, if elementwise layers can be merged into it
        self._flattened = None  # shape of the map that was flattened since the last product
        self._forget_pending()

    def _forget_pending(self):
        ones = (1,) * len(self.shape)
        self._pending, self._scale, self._shift = None, np.ones(ones), np.zeros(ones)

    def add(self, layer):
        """Append a layer.

        Raises:
            ValueError: it cannot be expressed in NIR.
        """
        if getattr(layer, "quantization_mode", None):
            raise self._refusal(
                layer,
                f"is quantised to {layer.quantization_mode!r}",
                "Write the network before it is quantised.",
            )
        if getattr(layer, "data_format", None) == "channels_first" and len(self.shape) > 1:
            raise self._refusal(
                layer, "has data_format='channels_first'", 'Build the network with data_format="channels_last".'
            )
        if type(layer) in IDENTITIES or _is_linear_activation(layer):
            return
        if type(layer) not in _ADD:
            listed = "The documentation of `keras_bsd.export.to_nir` lists the layers that have one."
            raise self._refusal(layer, "has no counterpart in NIR at this place", listed)
        if not _is_linear(layer):
            raise self._refusal(
                layer,
                f"has the activation {keras.activations.serialize(layer.activation)!r}",
                "Between two stages NIR has linear layers alone: set activation=None.",
            )
        _ADD[type(layer)](self, layer)

    def nodes(self):
        """Return the nodes by name.

        Raises:
            ValueError: layers are left that no product can take up.
        """
        nir, named = require_nir(), {}
        if not any(kind == "synapse" for kind, *_ in self._nodes):
            raise refusal(self._stage, "it has no weights", "Give its synapse a Dense layer or a convolution.")
        if self._pending is not None:
            raise self._refusal(self._pending, "cannot be merged into a product before or behind it")
        if self._flattened is not None:
            raise refusal(
                self._stage,
                "its last layer flattens maps, whose order of values is another one in NIR",
                "Leave the Flatten out of this stage: the next one can begin with it.",
            )
        for kind, node_type, arguments, shape in self._nodes:
            name, count = f"{self._stage.name}_{kind}", 1
            while name in named:
                count += 1
                name = f"{self._stage.name}_{kind}_{count}"
            if node_type not in self._reader.nodes:
                title = self._reader.title
                raise refusal(self._stage, f"it needs the node {node_type}, which {title} does not run right")
            named[name] = node = getattr(nir, node_type)(**arguments)
            derived = node.output_type["output"]
            if derived is not None and tuple(derived) != channels_first(shape):
                why = f"the package nir derives the shape {tuple(derived)} in place of {channels_first(shape)}"
                raise refusal(self._stage, why)
        return named

    def _refusal(self, layer, what, remedy=""):
        return refusal(self._stage, f"its {type(layer).__name__} '{layer.name}' {what}", remedy)

    def _flatten(self, _):
        if len(self.shape) == 1 or (self._added and math.prod(self.shape[:-1]) == 1):
            return
        self._scale, self._shift = (np.ravel(self._everywhere(v)) for v in (self._scale, self._shift))
        first = {"input": np.array(channels_first(self.shape))}
        self._flattened, self.shape = self.shape, (math.prod(self.shape),)
        self._product = None
        if self._reader.keeps_batch:
            self._nodes.append(("flatten", "Flatten", {"input_type": first, "start_dim": 0}, self.shape))
        elif self._first and not self._nodes:
            self.input_shape = self.shape

    def _pool(self, layer):
        sizes, strides = layer.pool_size, layer.strides
        if any(low + high for low, high in self._paddings(layer, sizes, strides, (1, 1))):
            raise self._refusal(
                layer, "averages less values at the border than elsewhere", 'Choose padding="valid".'
            )
        if self._pending is not None and self._of_channels(self._scale, self._shift) is None:
            raise self._refusal(self._pending, "cannot be merged into a product before or behind it")
        if "AvgPool2d" not in self._reader.nodes:
            single = np.ones((*sizes, 1, 1)) / math.prod(sizes)
            mean = single * np.eye(self.shape[-1])
            none, filters = [(0, 0)] * 2, np.zeros(self.shape[-1])
            return self._convolve(layer, mean, strides, (1, 1), none, filters)
        values = {"kernel_size": sizes, "stride": strides, "padding": (0, 0)}
        self.shape = _output_shape(layer, self.shape)
        arguments = {name: np.array(value) for name, value in values.items()}
        self._nodes.append(("pool", "AvgPool2d", arguments, self.shape))

    def _paddings(self, layer, sizes, strides, dilations):
        """Return pairs of the padding before and behind each axis of a map."""
        if layer.padding == "valid":
            return [(0, 0)] * len(sizes)
        if layer.padding != "same":
            raise self._refusal(layer, f"has padding={layer.padding!r}", 'Choose padding="same" or "valid".')
        return same_paddings(self.shape[:-1], sizes, strides, dilations)

    def _rescale(self, layer):
        self._elementwise(layer, layer.scale, layer.offset)

    def _normalize(self, layer):
        """Append a batch normalisation as it is at inference."""
        scale = 1 / np.sqrt(_array(layer.moving_variance) + layer.epsilon)
        scale = scale * _array(layer.gamma) if layer.scale else scale
        shift = (_array(layer.beta) if layer.center else 0) - scale * _array(layer.moving_mean)
        axis = layer.axis % (len(self.shape) - self._added + 1) - 1 + self._added  # without the batch
        shape = [1] * len(self.shape)
        shape[axis] = -1
        self._elementwise(layer, scale.reshape(shape), shift.reshape(shape))

    def _elementwise(self, layer, scale, shift):
        scale, shift = (self._with_axes(layer, values) for values in (scale, shift))
        channels = None if self._pending is not None else self._of_channels(scale, shift)
        if self._product is None or channels is None:
            self._scale, self._shift = scale * self._scale, scale * self._shift + shift
            self._pending, self._product = layer, None
            return
        scale, shift = channels
        weight = self._product["weight"]
        self._product["weight"] = _float(weight * scale.reshape(-1, *[1] * (weight.ndim - 1)))
        self._product["bias"] = _float(self._product["bias"] * scale + shift)

    def _with_axes(self, layer, values):
        """Return values with the axes of one time step, of size one where they are the same for all."""
        values = np.asarray(values, "float64")
        missing = len(self.shape) + 1 - values.ndim
        values = values.reshape(*[1] * missing, *values.shape)
        if missing < 0 or len(values) > 1:
            raise self._refusal(layer, "has other values for each sample")
        return values[0]

    def _everywhere(self, values):
        return np.broadcast_to(values, self.shape)

    def _of_channels(self, scale, shift):
        """Return scale and shift `(channels,)`, or None if they differ over places."""
        if math.prod(scale.shape[:-1]) * math.prod(shift.shape[:-1]) > 1:
            return None
        return [np.broadcast_to(np.ravel(values), self.shape[-1:]) for values in (scale, shift)]

    def _dense(self, layer):
        if len(self.shape) > 1:
            return self._dense_of_places(layer)
        kernel = _array(layer.kernel)
        bias = _bias(layer, layer.units) + self._everywhere(self._shift) @ kernel
        kernel = kernel * self._everywhere(self._scale)[:, None]
        if self._flattened is not None:
            maps = kernel.reshape(*self._flattened, -1)
            if self.input_shape != self.shape and not self._reader.keeps_batch:
                return self._dense_of_map(layer, maps, bias)
            kernel = np.moveaxis(maps, len(self._flattened) - 1, 0).reshape(kernel.shape)
        self._append("Affine", {"weight": _float(kernel.T), "bias": _float(bias)}, (layer.units,))

    def _dense_of_map(self, layer, kernel, bias):
        """Append a `Dense` of a flattened map as a convolution with a kernel `(..., channels, units)`."""
        self.shape, places = self._flattened, kernel.ndim - 2
        if places > 2:
            raise self._refusal(layer, f"has inputs with {places + 1} axes, and NIR convolves two at most")
        self._forget_pending()
        strides, single, none = self.shape[:-1], (1,) * places, [(0, 0)] * places
        shape = (*single, layer.units)
        self._convolve(layer, kernel, strides, single, none, bias, shape)

    def _dense_of_places(self, layer):
        places = len(self.shape) - 1
        if places > 2:
            raise self._refusal(
                layer, f"is applied along the last of {places + 1} axes", "Put a Flatten before it."
            )
        kernel, ones = _array(layer.kernel), (1,) * places
        self._convolve(layer, kernel.reshape(*ones, *kernel.shape), ones, ones, [(0, 0)] * places)

    def _conv(self, layer):
        kernel, channels = _array(layer.kernel), self.shape[-1]
        if isinstance(layer, (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)):
            groups, kernel = channels, kernel.reshape(*kernel.shape[:-2], 1, -1)
        else:
            groups = layer.groups
        # Groups as blocks of one kernel: `nir.Conv2d` derives the number of input channels from its kernel.
        inputs, filters = channels // groups, kernel.shape[-1]
        block = np.arange(channels)[:, None] // inputs == np.arange(filters) // (filters // groups)
        kernel = np.concatenate([kernel] * groups, axis=-2) * block
        strides, dilations = tuple(layer.strides), tuple(layer.dilation_rate)
        paddings = self._paddings(layer, kernel.shape[:-2], strides, dilations)
        self._convolve(layer, kernel, strides, dilations, paddings)

    def _convolve(self, layer, kernel, strides, dilations, paddings, bias=None, shape=None):
        """Append a convolution with a kernel `(..., channels, filters)`.

        Its bias and the shape of its output are those of the layer unless they are given.
        """
        channels = self._of_channels(self._scale, self._shift)
        if channels is None or (channels[1].any() and any(map(any, paddings))):
            raise self._refusal(
                self._pending,
                f"cannot be merged into its {type(layer).__name__} '{layer.name}'",
                "Let it scale by one number for each channel and, before a padded convolution, add nothing.",
            )
        scale, shift = channels
        bias = _bias(layer, kernel.shape[-1]) if bias is None else bias
        bias = bias + kernel.sum(axis=tuple(range(len(strides)))).T @ shift
        kernel, shape = kernel * scale[:, None], shape or _output_shape(layer, self.shape)
        if any(map(any, paddings)) and max(strides) == 1:
            padding = "same"
        else:
            kernel, padding = self._square(layer, kernel, strides, dilations, paddings, shape)
        places = {
            "input_shape": self.shape[:-1],
            "stride": strides,
            "padding": padding,
            "dilation": dilations,
        }
        if len(strides) == 1:
            places = {name: n if isinstance(n, str) else n[0] for name, n in places.items()}
        weight = _float(np.moveaxis(kernel, (-1, -2), (0, 1)))
        product = {**places, "weight": weight, "groups": 1, "bias": _float(bias)}
        self._append(f"Conv{len(strides)}d", product, shape)

    def _square(self, layer, kernel, strides, dilations, paddings, shape):
        """Return a kernel as wide as high, with the same padding on both sides, and these paddings.

        `nir.Conv2d` knows no others. Weights of zero before and behind the kernel's own make up for it.
        """
        *sizes, _, _ = kernel.shape
        for size in range(max(sizes), max(sizes) + 3):
            axes = zip(self.shape, sizes, strides, dilations, paddings, shape, strict=False)
            places = [_place(size, *axis) for axis in axes]
            if None not in places:
                added = [(n, size - own - n) for (n, _), own in zip(places, sizes, strict=True)]
                symmetric = tuple(padding for _, padding in places)
                return np.pad(kernel, [*added, (0, 0), (0, 0)]), symmetric if any(symmetric) else "valid"
        raise self._refusal(
            layer,
            "needs another padding on one side than on the other",
            "Choose a kernel as wide as high, or odd sizes.",
        )

    def _append(self, node_type, product, shape):
        self._product, self.shape, self._flattened = product, tuple(shape), None
        self._nodes.append(("synapse", node_type, product, self.shape))
        self._forget_pending()


_ADD = {
    keras.layers.Flatten: _Synapse._flatten,
    keras.layers.AveragePooling2D: _Synapse._pool,
    keras.layers.Rescaling: _Synapse._rescale,
    keras.layers.BatchNormalization: _Synapse._normalize,
    keras.layers.Dense: _Synapse._dense,
    keras.layers.Conv1D: _Synapse._conv,
    keras.layers.Conv2D: _Synapse._conv,
    keras.layers.DepthwiseConv1D: _Synapse._conv,
    keras.layers.DepthwiseConv2D: _Synapse._conv,
}


def _is_linear(layer):
    return getattr(layer, "activation", None) in (None, keras.activations.linear)


def _is_linear_activation(layer):
    return type(layer) is keras.layers.Activation and _is_linear(layer)


def same_paddings(places, sizes, strides, dilations):
    """Return pairs of the padding before and behind each axis of a map that Keras calls "same"."""
    axes = zip(places, sizes, strides, dilations, strict=True)
    totals = [max((math.ceil(n / s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in axes]
    return [(total // 2, total - total // 2) for total in totals]


def _place(size, inputs, own, stride, dilation, padding, outputs):
    """Return the zeros before a kernel, and the padding, with which one of `size` has the same outputs."""
    for zeros in range(size - own + 1):
        symmetric = padding[0] + zeros * dilation
        if (inputs + 2 * symmetric - (size - 1) * dilation - 1) // stride + 1 == outputs:
            return zeros, symmetric
    return None


def _output_shape(layer, shape):
    return tuple(layer.compute_output_shape((None, *shape))[1:])


def _array(weight):
    return keras.ops.convert_to_numpy(weight).astype("float64")


def _float(values):
    return np.asarray(values, "float32")


def _bias(layer, units):
    return np.zeros(units) if layer.bias is None else _array(layer.bias)
