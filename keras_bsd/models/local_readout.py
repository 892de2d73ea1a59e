"""What the firing rates of one stage tell of a target by themselves: a readout that serves learning alone."""

import math

import keras
from keras import ops

from keras_bsd.losses.reco import pooled

GRID = 4  # cells in height and width that maps are averaged to, before classes are told from them


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
        self._classification = classification
        times = _enlargement(rates, targets)
        self._grid = GRID if times is None else None
        synapse = [
            keras.layers.Flatten(dtype="float32"),
            keras.layers.Dense(math.prod(targets), dtype="float32"),
            keras.layers.Reshape(targets, dtype="float32"),
        ]
        if times is not None:
            image = {"kernel_size": 2 * times, "strides": times, "padding": "same", "dtype": "float32"}
            synapse = [keras.layers.Conv2DTranspose(targets[-1], **image)]
        self.synapse = keras.Sequential(synapse, name="synapse")
        self.synapse.dtype_policy = self.dtype_policy
        self.build((None, *rates))

    def build(self, input_shape):
        self.synapse.build(pooled(keras.KerasTensor(input_shape), self._grid).shape)

    def call(self, rates):
        """What is told of targets, `(batch, ...)`: of classes their logits."""
        return self.synapse(pooled(rates, self._grid))

    def losses_of(self, rates, targets):
        """Of each sample, `(batch,)`: cross-entropy, or the squared error as part of the targets' variance."""
        told, targets = self(rates), ops.cast(targets, "float32")
        if self._classification:
            return keras.losses.categorical_crossentropy(targets, told, from_logits=True)
        axes = tuple(range(1, len(targets.shape)))
        variance = ops.mean(ops.var(targets, axis=0))
        return ops.mean(ops.square(told - targets), axis=axes) / (variance + keras.config.epsilon())


def _enlargement(rates, targets):
    """By what whole factor an image is larger than a map, or None."""
    if len(rates) != 3 or len(targets) != 3:
        return None
    times = {image / pixels for image, pixels in zip(targets[:2], rates[:2], strict=True)}
    (factor,) = times if len(times) == 1 else (0.5,)
    return int(factor) if factor == int(factor) else None
