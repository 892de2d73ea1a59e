"""Images side by side in one."""

import math

import numpy as np


def tile_images(images, columns, above=1):
    """Images in rows, white between them.

    Args:
        images: array `(samples, height, width, 1 or 3)` in [0, 1]; values beyond are clipped.
        columns: positive int, images in a row.
        above: int, white pixels above each.

    Returns:
        Array `(height', width', 1 or 3)`, and the list of each image's `(top, left)` in it.

    Raises:
        ValueError: another shape.

    Example:

    >>> keras_bsd.images.tile_images(np.zeros((4, 8, 8, 1)), columns=2)[0].shape
    (18, 18, 1)
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
