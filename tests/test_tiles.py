import numpy as np
import pytest

from keras_bsd._tiles import tile_images


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_at_their_corners_on_white(channels):
    images = np.random.default_rng(0).uniform(-0.2, 1.2, (5, 4, 3, channels))
    grid, corners = tile_images(images, columns=2, above=2)
    assert grid.shape == (3 * 6, 2 * 4, channels)
    assert corners == [(2, 0), (2, 4), (8, 0), (8, 4), (14, 0)]
    background = np.ones(grid.shape[:2], bool)
    for image, (top, left) in zip(images, corners, strict=True):
        np.testing.assert_array_equal(grid[top : top + 4, left : left + 3], np.clip(image, 0, 1))
        background[top : top + 4, left : left + 3] = False
    assert (grid[background] == 1).all()


def test_other_shapes():
    with pytest.raises(ValueError, match=r"Received: shape=\(2, 4, 4, 2\)"):
        tile_images(np.zeros((2, 4, 4, 2)), columns=2)
