"""Local readouts: auxiliary classifiers or regressors of single stages, for training only."""

import math

import keras
from keras import ops

from keras_bsd.losses._present import mean_of_present
from keras_bsd.losses._reco import GRID, pool_maps


class LocalReadout(keras.layers.Layer):
    """Readout of one stage's firing rates, and its loss.

    If the target is an image whose sides are a multiple of the stage's maps', the readout is a transposed
    convolution. Otherwise it is dense, from all rates, and maps are first averaged to 4x4 cells. With a depth
    of 2 a hidden layer lies before it, as wide as the stage: a 3x3 convolution of maps, otherwise dense; its
    outputs are normalised over the batch and rectified.

    Args:
        neurons: tuple, shape of the stage's neurons, without the batch.
        target: tuple, shape of a target, without the batch.
        classification: bool, whether targets are one-hot classes.
        depth: 1 or 2, the number of layers with weights.
        hidden_dtype: dtype of the hidden layer's products.
        kernel_initializer: Keras initialiser of the kernel of the last layer.
    """

    def __init__(
        self,
        neurons,
        target,
        classification,
        depth=1,
        hidden_dtype="float32",
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(dtype="float32", **kwargs)
        self._neurons, self._target = tuple(neurons), tuple(target)
        self._classification, self._depth = classification, depth
        self._hidden_dtype, self._kernel_initializer = hidden_dtype, kernel_initializer
        self._enlargement = _enlargement(neurons, target)
        self.build((None, *neurons))

    def build(self, input_shape):
        if self._depth == 2:
            self._build_hidden(input_shape)
        if self._enlargement is not None:
            sides, outputs = 2 * self._enlargement, self._target[-1]
            kernel = (sides, sides, outputs, input_shape[-1])
        else:
            cells, outputs = pool_maps(keras.KerasTensor(input_shape), GRID).shape[1:], math.prod(self._target)
            kernel = (math.prod(cells), outputs)
        self.kernel = self.add_weight(kernel, self._kernel_initializer, name="kernel")
        self.bias = self.add_weight((outputs,), "zeros", name="bias")

    def _build_hidden(self, input_shape):
        channels = input_shape[-1]
        shape = (3, 3, channels, channels) if len(input_shape) == 4 else (math.prod(input_shape[1:]),) * 2
        self.hidden_kernel = self.add_weight(shape, "he_uniform", name="hidden_kernel")
        self.gamma = self.add_weight(shape[-1:], "ones", name="gamma")
        self.beta = self.add_weight(shape[-1:], "zeros", name="beta")

    def _hidden(self, rates, present):
        kernel, inputs = (ops.cast(values, self._hidden_dtype) for values in (self.hidden_kernel, rates))
        if len(kernel.shape) == 4:
            values = ops.conv(inputs, kernel, padding="same", data_format="channels_last")
        else:
            values = ops.matmul(ops.reshape(inputs, (-1, kernel.shape[0])), kernel)
        values = ops.cast(values, "float32")
        mean = _mean_by_feature(values, present)
        variance = _mean_by_feature(ops.square(values - mean), present)
        values = ops.batch_normalization(values, mean, variance, -1, self.beta, self.gamma)
        return ops.reshape(ops.relu(values), (-1, *rates.shape[1:]))

    @property
    def products(self):
        """Products of weights for one sample, padding of maps included."""
        positions = math.prod(self._neurons[:-1]) if len(self._neurons) == 3 else 1
        hidden = math.prod(self.hidden_kernel.shape) * positions if self._depth == 2 else 0
        return hidden + math.prod(self.kernel.shape) * (1 if self._enlargement is None else positions)

    def call(self, rates, present=None):
        """Return predicted targets `(batch, ...)`: for classes, their logits."""
        if self._depth == 2:
            rates = self._hidden(rates, present)
        if self._enlargement is not None:
            options = {"strides": self._enlargement, "padding": "same", "data_format": "channels_last"}
            outputs = ops.conv_transpose(rates, self.kernel, **options)
        else:
            cells = ops.reshape(pool_maps(rates, GRID), (-1, self.kernel.shape[0]))
            outputs = ops.matmul(cells, self.kernel)
        return ops.reshape(outputs + self.bias, (-1, *self._target))

    def sample_losses(self, rates, targets, present=None):
        """Return the losses `(batch,)`: cross-entropy, or squared error divided by the targets' variance.

        Args:
            rates: `(batch, ...)`.
            targets: `(batch, ...)`.
            present: `(batch,)`, 0 for rows that are no samples and in no statistics, else 1; or None.
        """
        predictions, targets = self(rates, present), ops.cast(targets, "float32")
        if self._classification:
            return keras.losses.categorical_crossentropy(targets, predictions, from_logits=True)
        errors = ops.mean(ops.square(predictions - targets), axis=tuple(range(1, len(targets.shape))))
        deviations = targets - mean_of_present(targets, present, keepdims=True)
        variance = ops.mean(mean_of_present(ops.square(deviations), present))
        return ops.divide_no_nan(errors, variance)  # one sample has no variance

    def load_own_variables(self, store):
        if store.keys():  # a pair saved without local readouts leaves their weights unchanged
            super().load_own_variables(store)


def _mean_by_feature(values, present):
    """Return the mean of the last axis's entries over positions and the rows that are present."""
    positions = tuple(range(1, len(values.shape) - 1))
    return mean_of_present(ops.mean(values, axis=positions) if positions else values, present)


def _enlargement(neurons, target):
    """Return the integer factor by which an image is larger than a map, or None."""
    if len(neurons) != 3 or len(target) != 3:
        return None
    (height, width), (rows, columns) = target[:2], neurons[:2]
    factor = height // rows
    return factor if (factor * rows, factor * columns) == (height, width) else None
