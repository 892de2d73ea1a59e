"""What the firing rates of one stage tell of a target by themselves: a readout that serves learning alone."""

import math

import keras
from keras import ops

from keras_bsd.losses._reco import pooled

GRID = 4  # cells in height and width that maps are averaged to, unless images are told from them place by place


class LocalReadout(keras.layers.Layer):
    """Linear readout of one stage's firing rates, and its loss.

    Images a whole number of times as large as the stage's maps are told place by place, by a transposed
    convolution; all else from all rates at once, those of maps averaged to 4x4 cells.

    Args:
        neurons: shape of the stage's neurons, without the batch.
        target: shape of a target, without the batch.
        classification: whether targets are classes, one-hot.
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
            seen, outputs = pooled(keras.KerasTensor(input_shape), GRID).shape[1:], math.prod(self._target)
            kernel = (math.prod(seen), outputs)
        self.kernel = self.add_weight(kernel, "glorot_uniform", name="kernel")
        self.bias = self.add_weight((outputs,), "zeros", name="bias")

    def call(self, rates):
        """What is told of targets, `(batch, ...)`: of classes their logits."""
        if self._enlargement is not None:
            told = ops.conv_transpose(rates, self.kernel, strides=self._enlargement, padding="same")
        else:
            told = ops.matmul(ops.reshape(pooled(rates, GRID), (-1, self.kernel.shape[0])), self.kernel)
        return ops.reshape(told + self.bias, (-1, *self._target))

    def losses_of(self, rates, targets):
        """Of each sample, `(batch,)`: cross-entropy, or the squared error as part of the targets' variance."""
        told, targets = self(rates), ops.cast(targets, "float32")
        if self._classification:
            return keras.losses.categorical_crossentropy(targets, told, from_logits=True)
        errors = ops.mean(ops.square(told - targets), axis=tuple(range(1, len(targets.shape))))
        return ops.divide_no_nan(errors, ops.mean(ops.var(targets, axis=0)))  # a lone sample has no variance

    def load_own_variables(self, store):
        if store.keys():  # weights of a pair that had none leave these as they are
            super().load_own_variables(store)


def _enlargement(neurons, target):
    """By what whole factor an image is larger than a map, or None."""
    if len(neurons) != 3 or len(target) != 3:
        return None
    (height, width), (rows, columns) = target[:2], neurons[:2]
    times = height // rows
    return times if (times * rows, times * columns) == (height, width) else None
