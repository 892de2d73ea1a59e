"""Tiling of images into one."""

import math

import numpy as np

from keras_bsd._types import Array


def tile_images(images: Array, columns: int, above: int = 1) -> tuple[Array, list[tuple[int, int]]]:
    """Return one image of several in rows, separated by white, and the position of each.

    Args:
        images: array `(samples, height, width, 1 or 3)` in [0, 1]; values beyond are clipped.
        columns: positive int, images in a row.
        above: int, white pixels above each image.

    Returns:
        Array `(total height, total width, 1 or 3)`, and the list of each image's `(top, left)` in it.

    Raises:
        ValueError: `images` has another shape.
    """
    images = np.clip(images, 0, 1)
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            f"`images` must have shape (samples, height, width, 1 or 3). Received: shape={images.shape}"
        )
    samples, height, width, channels = images.shape
    columns = min(columns, samples)
    corners = []
    grid = np.ones((math.ceil(samples / columns) * (height + above), columns * (width + 1), channels))
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        top, left = row * (height + above) + above, column * (width + 1)
        grid[top : top + height, left : left + width] = image
        corners.append((top, left))
    return grid, corners
