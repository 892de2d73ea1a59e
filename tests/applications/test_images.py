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
        (np.full((1, 4, 4), 0.5), r"whole numbers in \[0, 255\]; .* Received: dtype=float64, values from 0.5"),
        (np.full((1, 4, 4), 256), "values from 256 to 256"),
        (np.full((1, 4, 4), -1), "values from -1 to -1"),
    ],
)
def test_images_that_cannot_be_preprocessed(images, message):
    with pytest.raises(ValueError, match=message):
        keras_bsd.applications.preprocess_input(images)


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
