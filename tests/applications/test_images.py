import numpy as np
import pytest

import keras_bsd


def test_preprocess_input():
    images = np.array([[[0, 51], [255, 102]]], "uint8")
    for array in (images, images[..., None], images.astype("float64")):
        scaled = keras_bsd.applications.preprocess_input(array)
        assert scaled.dtype == "float32"
        np.testing.assert_allclose(scaled, [[[[0], [0.2]], [[1], [0.4]]]])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 4)), r"Received: shape=\(4, 4\)"),
        (np.full((1, 4, 4), 1.5), r"whole floats in \[0, 255\], .* Received: dtype=float64, values from 1.5"),
        (np.full((1, 4, 4), np.nan), "Received: dtype=float64, values from nan to nan"),
        (np.full((1, 4, 4), np.inf), "values from inf to inf"),
        (np.full((1, 4, 4), -0.5), "values from -0.5 to -0.5"),
        (np.full((1, 4, 4), 300.0), "values from 300.0 to 300.0"),
        (np.full((1, 4, 4), 9, "uint16"), "Received: dtype=uint16, values from 9 to 9. .* 16 bits, 65535"),
        (np.full((1, 4, 4), 9, "int16"), "Received: dtype=int16"),
        (np.full((1, 4, 4), 9, "int8"), "Received: dtype=int8"),
        (np.full((1, 4, 4), "a"), "Received: dtype=<U1"),
        (np.full((1, 4, 4), 256), "values from 256 to 256"),
        (np.full((1, 4, 4), -1), "values from -1 to -1"),
    ],
)
def test_images_that_cannot_be_preprocessed(images, message):
    with pytest.raises(ValueError, match=message):
        keras_bsd.applications.preprocess_input(images)


@pytest.mark.parametrize("dtype", ["bool", "float16", "float32", "float64"])
def test_images_of_zeros_and_ones_keep_their_values(dtype):
    images = (np.arange(16).reshape(1, 4, 4) % 2).astype(dtype)
    np.testing.assert_array_equal(keras_bsd.applications.preprocess_input(images)[..., 0], images)
    scaled = images.astype("float32") / 2
    np.testing.assert_array_equal(keras_bsd.applications.preprocess_input(scaled)[..., 0], scaled)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "uint32"])
def test_integers_of_zero_and_one_are_dark(dtype):
    assert keras_bsd.applications.preprocess_input(np.ones((1, 4, 4), dtype)).max() == np.float32(1 / 255)


def test_the_value_of_white():
    images = np.array([[[0, 13107], [65535, 26214]]], "uint16")
    scaled = keras_bsd.applications.preprocess_input(images, max_value=65535)
    np.testing.assert_allclose(scaled[0, ..., 0], [[0, 0.2], [1, 0.4]])
    with pytest.raises(ValueError, match="values from 0 to 65535"):
        keras_bsd.applications.preprocess_input(images, max_value=4095)
    with pytest.raises(ValueError, match="Received: max_value=0"):
        keras_bsd.applications.preprocess_input(images, max_value=0)


def test_decode_predictions():
    scores = [[0.1, 0.6, 0.3], [0.4, 0.2, 0.4]]
    decoded = keras_bsd.applications.decode_predictions(scores, ["cat", "dog", "cow"], top=2)
    assert decoded == [[("dog", 0.6), ("cow", 0.3)], [("cat", 0.4), ("cow", 0.4)]]
    assert len(keras_bsd.applications.decode_predictions(scores, ["cat", "dog", "cow"])[0]) == 3
    with pytest.raises(ValueError, match=r"shape \(batch, 2\), .* Received: shape=\(2, 3\)"):
        keras_bsd.applications.decode_predictions(scores, ["cat", "dog"])


def test_labels_of_the_presets():
    scores = np.eye(10)[[3, 9]]
    for preset, words in (("mnist_conv", ["3", "9"]), ("cifar10_conv", ["cat", "truck"])):
        decoded = keras_bsd.applications.decode_predictions(scores, preset, top=1)
        assert [label for ((label, _),) in decoded] == words
