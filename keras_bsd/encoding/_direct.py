"""Stimuli as held currents, and token ids as one-hot vectors."""

import math
from typing import Any

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Config, Tensor
from keras_bsd.encoding._base import TimeEncoder, check_known_ids, check_known_values, repeat_over_time


@keras.saving.register_keras_serializable("keras_bsd")
class DirectEncoder(TimeEncoder):
    """The stimulus as a current that is held over all time steps.

    Before a stage, `SpikingDense(..., timesteps=T)` has the same result and computes one product in place of
    `T`.

    Args:
        timesteps: positive int.

    Call arguments:
        inputs: `(batch, ...)`, in any units. Returns `(batch, time, ...)`.

    Raises:
        ValueError: `timesteps` is out of range, or, unless a function is traced, an input is not finite.

    Example:

    >>> tuple(keras_bsd.encoding.DirectEncoder(timesteps=4)(ops.ones((2, 3))).shape)
    (2, 4, 3)
    """

    def call(self, inputs: Tensor) -> Tensor:
        check_known_values(self, inputs, -math.inf, math.inf)
        return repeat_over_time(inputs, self.timesteps)


@keras.saving.register_keras_serializable("keras_bsd")
class OneHotEncoder(keras.layers.Layer):
    """Sequences of token ids, such as the characters of a text, as sequences of one-hot vectors.

    Args:
        classes: int, at least 2, the number of tokens.

    Call arguments:
        inputs: token ids `(batch, elements)`. Returns `(batch, elements, classes)`.

    Raises:
        ValueError: `classes` is out of range, or an id is no token. Traced functions, which cannot tell, have
            no spike for such an id; pairs check what they are given.

    Example:

    >>> one_hot = keras_bsd.encoding.OneHotEncoder(3)(ops.array([[2, 0]]))
    >>> ops.convert_to_numpy(one_hot)[0].tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """

    def __init__(self, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes = _checks.integer("classes", classes, low=2)

    def call(self, inputs: Tensor) -> Tensor:
        check_known_ids("Token ids", inputs, self.classes)
        return ops.one_hot(ops.cast(inputs, "int32"), self.classes, dtype=self.compute_dtype)

    def get_config(self) -> Config:
        return {**super().get_config(), "classes": self.classes}
