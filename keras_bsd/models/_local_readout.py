"""Local readouts: auxiliary classifiers or regressors of single stages, for training only."""

import math

import keras
from keras import ops

from keras_bsd.losses._present import mean_of_present
from keras_bsd.losses._reco import GRID, pool_maps


class LocalReadout(keras.layers.Layer):
    """Linear readout of one stage's firing rates, and its loss.

    If the target is an image whose sides are a multiple of the stage's maps', the readout is a transposed
    convolution. Otherwise it is dense, from all rates, and maps are first averaged to 4x4 cells.

    Args:
        neurons: tuple, shape of the stage's neurons, without the batch.
        target: tuple, shape of a target, without the batch.
        classification: bool, whether targets are one-hot classes.
    """

    def __init__(self, neurons, target, classification, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self._target, self._classification = tuple(target), classification
        self._enlargement = _enlargement(neurons, target)
        self.build((None, *neurons))

    def build(self, input_shape):
        if self._enlargement is not None:
            sides, outputs = 2 * self._enlargement, self._target[-1]
            kernel = (sides, sides, outputs, input_shape[-1])
        else:
            cells, outputs = pool_maps(keras.KerasTensor(input_shape), GRID).shape[1:], math.prod(self._target)
            kernel = (math.prod(cells), outputs)
        self.kernel = self.add_weight(kernel, "glorot_uniform", name="kernel")
        self.bias = self.add_weight((outputs,), "zeros", name="bias")

    def call(self, rates):
        """Return predicted targets `(batch, ...)`: for classes, their logits."""
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
            present: `(batch,)`, 0 for rows that are no samples and not in the variance, else 1; or None.
        """
        predictions, targets = self(rates), ops.cast(targets, "float32")
        if self._classification:
            return keras.losses.categorical_crossentropy(targets, predictions, from_logits=True)
        errors = ops.mean(ops.square(predictions - targets), axis=tuple(range(1, len(targets.shape))))
        deviations = targets - mean_of_present(targets, present, keepdims=True)
        variance = ops.mean(mean_of_present(ops.square(deviations), present))
        return ops.divide_no_nan(errors, variance)  # one sample has no variance

    def load_own_variables(self, store):
        if store.keys():  # a pair saved without local readouts leaves their weights unchanged
            super().load_own_variables(store)


def _enlargement(neurons, target):
    """Return the integer factor by which an image is larger than a map, or None."""
    if len(neurons) != 3 or len(target) != 3:
        return None
    (height, width), (rows, columns) = target[:2], neurons[:2]
    factor = height // rows
    return factor if (factor * rows, factor * columns) == (height, width) else None
