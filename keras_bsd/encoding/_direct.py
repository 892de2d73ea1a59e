"""Stimuli as held currents, and classes as one-hot vectors."""

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd.encoding._base import TimeEncoder, over_time


@keras.saving.register_keras_serializable("keras_bsd")
class DirectEncoder(TimeEncoder):
    """The stimulus itself, as a current held over all time steps.

    Where it feeds a stage, `SpikingDense(..., timesteps=T)` computes the same at the price of one
    product instead of `T`.

    Args:
        timesteps: positive int.

    Call arguments:
        inputs: `(batch, ...)`, any units. Gives `(batch, time, ...)`.

    Example:

    >>> keras_bsd.encoding.DirectEncoder(timesteps=4)(keras.ops.ones((2, 3))).shape
    (2, 4, 3)
    """

    def call(self, inputs):
        return over_time(inputs, self.timesteps)


@keras.saving.register_keras_serializable("keras_bsd")
class OneHotEncoder(keras.layers.Layer):
    """The elements of a sequence of classes, such as the characters of a text, as one-hot vectors.

    Args:
        classes: int, at least 2.

    Call arguments:
        inputs: class numbers `(batch, elements)`. Gives `(batch, elements, classes)`.

    Example:

    >>> keras_bsd.encoding.OneHotEncoder(5)(keras.ops.array([[3, 0]])).shape
    (1, 2, 5)
    """

    def __init__(self, classes, **kwargs):
        super().__init__(**kwargs)
        self.classes = _checks.integer("classes", classes, low=2)

    def call(self, inputs):
        return ops.one_hot(ops.cast(inputs, "int32"), self.classes, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "classes": self.classes}
