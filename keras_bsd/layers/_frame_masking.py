"""A mask of the frames after the last event."""

from typing import Any

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Tensor


@keras.saving.register_keras_serializable("keras_bsd")
class FrameMasking(keras.layers.Layer):
    """Masks the frames after the last event, with which recordings of other lengths are padded.

    Frames without events before the last one are not masked: in them, neurons leak. `keras.layers.Masking`
    would mask these too, and would give frames of several axes a mask for each row of pixels.

    Call arguments:
        inputs: frames `(batch, time, ...)`, zeros without events. Returned as they are, with a mask
            `(batch, time)`, which `SpikingStage` and `Readout` take.

    Raises:
        ValueError: the input has no time axis, or no other axis after it.

    Example:

    >>> frames = np.array([[[1.0], [0.0], [2.0], [0.0]]])
    >>> mask = keras_bsd.layers.FrameMasking().compute_mask(frames)
    >>> ops.convert_to_numpy(mask).tolist()
    [[True, True, True, False]]
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        _checks.require_time_axis(self.__class__.__name__, inputs.shape)
        if len(inputs.shape) < 3:
            raise ValueError(
                "FrameMasking expects frames of shape (batch, time, ...) with at least one axis after time. "
                f"Received: shape={tuple(inputs.shape)}"
            )
        return ops.copy(inputs)  # Keras would attach the mask to the input itself

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None = None) -> Tensor:
        """Return booleans `(batch, time)`, true up to the last frame with an event."""
        active = ops.any(ops.not_equal(inputs, 0), axis=tuple(range(2, len(inputs.shape))))
        from_the_end = ops.cumsum(ops.flip(ops.cast(active, "int32"), axis=1), axis=1)
        mask = ops.greater(ops.flip(from_the_end, axis=1), 0)
        return mask if previous_mask is None else ops.logical_and(mask, previous_mask)
