"""Images in and labels out, as the recognition presets expect and output them."""

import os
from collections.abc import Sequence

import numpy as np

from keras_bsd import _checks
from keras_bsd._pixels import to_unit_range
from keras_bsd._types import Array, ArrayLike, Path
from keras_bsd.applications import _presets


def preprocess_input(images: ArrayLike, max_value: float | None = None) -> Array:
    """Return images scaled as the presets and recipes expect them.

    Integers from 0 to 255 are divided by 255. Floats in [0, 1], even if all are 0.0 or 1.0, and booleans are
    not divided; floats of which one is above 1 must be whole and are divided by 255. Integers of 16 bits, and
    `int8`, need `max_value`, since cameras use any number of these bits.

    Args:
        images: array `(batch, height, width, channels)`, or `(batch, height, width)` if gray.
        max_value: positive float, the value of white, such as 65535; `None` for the rule above.

    Returns:
        NumPy array `(batch, height, width, channels)`, float32 in [0, 1].

    Raises:
        ValueError: another shape, values out of range or not finite, or a type that needs `max_value`.

    Example:

    >>> images = keras_bsd.applications.preprocess_input(np.full((2, 28, 28), 255, "uint8"))
    >>> images.shape, float(images.max())
    ((2, 28, 28, 1), 1.0)
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        raise ValueError(
            "`images` must have shape (batch, height, width, channels) or (batch, height, width). "
            f"Received: shape={images.shape}"
        )
    return to_unit_range("`images`", images, max_value)


def decode_predictions(
    scores: ArrayLike, labels: Path | Sequence[str], top: int = 5
) -> list[list[tuple[str, float]]]:
    """Return the labels with the highest scores.

    Args:
        scores: array `(batch, classes)`, as `predict` returns it.
        labels: name of a preset, path of its `.json` record, or a sequence of one label for each class.
        top: positive int, labels to return for each sample.

    Returns:
        A list for each sample of its `top` pairs `(label, score)`, the highest score first.

    Raises:
        ValueError: the labels are not as many as the classes.

    Example:

    >>> keras_bsd.applications.decode_predictions(np.array([[0.1, 0.9]]), ["cat", "dog"], top=1)
    [[('dog', 0.9)]]
    """
    scores = np.asarray(scores)
    if isinstance(labels, str | os.PathLike):
        labels = _presets.record(labels).get("labels", ())
    if not isinstance(labels, Sequence | np.ndarray):
        raise ValueError(
            f"`labels` must be a preset, or a sequence of one label for each class. Received: labels={labels!r}"
        )
    words = list(labels)
    if scores.ndim != 2 or scores.shape[1] != len(words):
        raise ValueError(
            f"`scores` must have shape (batch, {len(words)}), a score for each label. "
            f"Received: shape={scores.shape}"
        )
    highest = np.argsort(-scores, axis=1, kind="stable")[:, : _checks.integer("top", top, low=1)]
    return [[(words[i], float(row[i])) for i in order] for row, order in zip(scores, highest, strict=True)]
