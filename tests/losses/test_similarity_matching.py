import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd.losses import SimilarityMatching, cosine_affinity, target_similarity


def cosines(rows, others):
    rows, others = (x.reshape(len(x), -1) - x.reshape(len(x), -1).mean(0) for x in (rows, others))
    return rows @ others.T / np.outer(np.linalg.norm(rows, axis=1), np.linalg.norm(others, axis=1))


def test_by_hand():
    """Two samples are opposite once centred; the teacher has them the other way round."""
    rates, teacher = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    unlike = 1 - np.array([[1.0, 0.5], [0.5, 1.0]])
    loss, affinity = SimilarityMatching(pair_weight=3.0).compare(rates, teacher, None, unlike)
    np.testing.assert_allclose(ops.convert_to_numpy(affinity), [[-1, 1], [1, -1]], atol=1e-6)
    # 3 (1 + 1)^2, then (-1 - 1)^2 + (1 - 0.5)^2 with the teacher, and twice (1 - 1)^2 + (-1 - 0.5)^2
    np.testing.assert_allclose(ops.convert_to_numpy(loss), [12 + 4.25 + 4.5] * 2, rtol=1e-5)
    loss, _ = SimilarityMatching(pair_weight=0.0, own_weight=0.1).compare(rates, teacher, None, unlike)
    np.testing.assert_allclose(ops.convert_to_numpy(loss), [4.25 + 0.45] * 2, rtol=1e-5)


def test_nothing_is_left_to_learn_from_rates_as_alike_as_the_targets():
    targets = np.random.default_rng(0).random((6, 5)).astype("float32")
    loss = SimilarityMatching()
    value, _ = loss.compare(0.3 * targets, 0.1 + targets, None, loss.dissimilarity(targets))
    np.testing.assert_allclose(ops.convert_to_numpy(value), np.zeros(6), atol=1e-6)
    assert float(loss(targets, 0.3 * targets)) == pytest.approx(0, abs=1e-6)
    assert float(loss(targets, targets[::-1])) > 0.1


def test_without_sharpening_targets_are_compared_as_they_are():
    images = np.random.default_rng(0).random((5, 6, 4, 2)).astype("float32")
    found = ops.convert_to_numpy(SimilarityMatching(sharpening=0.0).dissimilarity(images))
    np.testing.assert_allclose(found, 1 - cosines(images, images), atol=1e-5)
    vectors = images.reshape(5, -1)  # have no spatial frequencies
    found = ops.convert_to_numpy(SimilarityMatching(sharpening=0.7).dissimilarity(vectors))
    np.testing.assert_allclose(found, 1 - cosines(vectors, vectors), atol=1e-5)


def test_sharpening_is_a_filter_in_the_frequency_domain():
    images = np.random.default_rng(0).random((5, 6, 4, 2)).astype("float32")
    frequencies = np.hypot(np.fft.fftfreq(6)[:, None], np.fft.fftfreq(4)[None])
    gains = np.maximum(frequencies, 1 / 6) ** 0.7  # the constant part counts as the longest wave
    spectrum = np.fft.fft2(images, axes=(1, 2)) * gains[None, :, :, None]
    filtered = np.fft.ifft2(spectrum, axes=(1, 2))
    assert np.abs(filtered.imag).max() < 1e-6
    found = ops.convert_to_numpy(SimilarityMatching(sharpening=0.7).dissimilarity(images))
    np.testing.assert_allclose(found, 1 - cosines(filtered.real, filtered.real), atol=1e-5)


def test_gaussian_kernel_is_centred_as_cosines_are():
    targets = np.random.default_rng(0).random((6, 3)).astype("float32")
    similarity = ops.convert_to_numpy(target_similarity(targets)).astype("float64")
    keep = np.eye(6) - 1 / 6
    centred = keep @ similarity @ keep
    expected = centred / np.sqrt(np.outer(np.diag(centred), np.diag(centred)))
    found = ops.convert_to_numpy(SimilarityMatching(kernel="gaussian").dissimilarity(targets))
    np.testing.assert_allclose(1 - found, expected, atol=1e-4)


def test_affinity_is_that_of_reco():
    generator = np.random.default_rng(0)
    rates, teacher = generator.random((2, 4, 3, 3, 2))
    _, affinity = SimilarityMatching().compare(rates, teacher, None, np.zeros((4, 4)))
    expected = ops.convert_to_numpy(cosine_affinity(rates, teacher))
    np.testing.assert_allclose(ops.convert_to_numpy(affinity), expected, atol=1e-6)


def test_config_round_trip():
    loss = SimilarityMatching(2.0, 0.5, "gaussian", 0.25)
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert copy.get_config() == loss.get_config()
    assert (copy.pair_weight, copy.own_weight, copy.kernel, copy.sharpening) == (2.0, 0.5, "gaussian", 0.25)


@pytest.mark.parametrize("argument", ["pair_weight", "own_weight", "sharpening"])
def test_bad_arguments(argument):
    with pytest.raises(ValueError, match=f"Received: {argument}=-1"):
        SimilarityMatching(**{argument: -1})
    with pytest.raises(ValueError, match=r"choose one of 'cosine', 'gaussian'\. Received: kernel='linear'"):
        SimilarityMatching(kernel="linear")
