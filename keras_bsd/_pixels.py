"""Images of integers or floats as stimuli in [0, 1]."""

import numpy as np

from keras_bsd import _checks
from keras_bsd._arrays import as_numbers
from keras_bsd._types import Array

_RULE = (
    "integers in [0, 255] of 8, 32 or 64 bits, floats in [0, 1], whole floats in [0, 255], or booleans; "
    "with `max_value` numbers from 0 to it"
)


def to_unit_range(name: str, images: Array, max_value: float | None = None) -> Array:
    """Return images as float32 in [0, 1].

    Integers are divided by 255. Floats of at most 1 and booleans keep their values, however few; whole floats
    of which one is above 1 are divided by 255. Integers of 16 bits and `int8` may have any range, so that they
    need `max_value`.

    Args:
        name: name of the images, for errors.
        images: array.
        max_value: positive float, the value of white, by which the images are divided; `None` for the rule.

    Raises:
        ValueError: the images follow neither the rule nor `max_value`.
    """
    images = as_numbers(name, np.asarray(images), _RULE)
    if max_value is None:
        max_value = _white(name, images)
    else:
        max_value = _checks.real("max_value", max_value, low=0.0, low_open=True)
    if images.size and not (images.min() >= 0 and images.max() <= max_value):  # true also for NaN
        raise _error(name, images)
    return images.astype("float32") / np.float32(max_value) if max_value != 1 else images.astype("float32")


def _white(name, images):
    """Return the value of white by the rule."""
    if images.dtype.kind == "b" or not images.size:
        return 1
    if images.dtype.name in ("uint16", "int16", "int8"):
        raise _error(name, images)
    if images.dtype.kind in "ui":
        return 255
    if images.max() <= 1:
        return 1
    if not np.array_equal(images, np.round(images)):
        raise _error(name, images)
    return 255


def _error(name, images):
    return ValueError(
        f"{name} must be {_RULE}. Received: dtype={images.dtype}, values from {images.min()} to "
        f"{images.max()}. Pass or divide by the value of white, such as 255 or, for images of 16 bits, 65535."
    )
