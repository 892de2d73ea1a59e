"""What the firing rates of one stage tell of a target by themselves: a readout that serves learning alone."""

import math

import keras
from keras import ops

from keras_bsd.losses.reco import pooled

GRID = 4  # cells in height and width that maps are averaged to, unless images are told from them place by place


class LocalReadout(keras.layers.Layer):
    """Linear readout of one stage's firing rates, and its loss.

    Images are told from maps place by place, by a transposed convolution; all else from all rates at once.

    Args:
        rates: shape of the stage's neurons, without the batch.
        targets: shape of a target, without the batch.
        classification: whether targets are classes, one-hot.
    """

    def __init__(self, rates, targets, classification, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self._targets, self._classification = tuple(targets), classification
        self._enlargement = _enlargement(rates, targets)
        self.build((None, *rates))

    def build(self, input_shape):
        if self._enlargement is not None:
            sides, outputs = 2 * self._enlargement, self._targets[-1]
            kernel = (sides, sides, outputs, input_shape[-1])
        else:
            seen, outputs = pooled(keras.KerasTensor(input_shape), GRID).shape[1:], math.prod(self._targets)
            kernel = (math.prod(seen), outputs)
        self.kernel = self.add_weight(kernel, "glorot_uniform", name="kernel")
        self.bias = self.add_weight((outputs,), "zeros", name="bias")

    def call(self, rates):
        """What is told of targets, `(batch, ...)`: of classes their logits."""
        if self._enlargement is not None:
            told = ops.conv_transpose(rates, self.kernel, strides=self._enlargement, padding="same")
        else:
            told = ops.matmul(ops.reshape(pooled(rates, GRID), (-1, self.kernel.shape[0])), self.kernel)
        return ops.reshape(told + self.bias, (-1, *self._targets))

    def losses_of(self, rates, targets):
        """Of each sample, `(batch,)`: cross-entropy, or the squared error as part of the targets' variance."""
        told, targets = self(rates), ops.cast(targets, "float32")
        if self._classification:
            return keras.losses.categorical_crossentropy(targets, told, from_logits=True)
        axes = tuple(range(1, len(targets.shape)))
        variance = ops.mean(ops.var(targets, axis=0))
        return ops.mean(ops.square(told - targets), axis=axes) / (variance + keras.config.epsilon())

    def load_own_variables(self, store):
        if store.keys():  # weights of a pair that had none leave these as they are
            super().load_own_variables(store)


def _enlargement(rates, targets):
    """By what whole factor an image is larger than a map, or None."""
    if len(rates) != 3 or len(targets) != 3:
        return None
    (height, width), (rows, columns) = targets[:2], rates[:2]
    times = height // rows
    return times if (times * rows, times * columns) == (height, width) else None
