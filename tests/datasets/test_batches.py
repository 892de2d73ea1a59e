import keras
import numpy as np
import pytest

from keras_bsd import datasets


def augmented(seed=0):
    x = np.random.default_rng(0).random((10, 6, 6, 1), dtype="float32")
    layers = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomTranslation(0.3, 0.3)]
    return datasets.Batches(x, np.arange(10), 4, layers, seed)


def epoch(batches, number):
    batches.epoch_callback().on_epoch_begin(number)
    images, classes = zip(*(batches[i] for i in range(len(batches))), strict=True)
    return np.concatenate([keras.ops.convert_to_numpy(x) for x in images]), np.concatenate(classes)


def test_batches_follow_from_seed_and_epoch_alone():
    batches = augmented()
    first, second = epoch(batches, 0), epoch(batches, 1)
    for repeated, expected in ((epoch(augmented(), 1), second), (epoch(batches, 0), first)):
        np.testing.assert_array_equal(repeated[0], expected[0])
        np.testing.assert_array_equal(repeated[1], expected[1])
    for images, classes in (first, second):
        assert images.shape == (10, 6, 6, 1)
        assert sorted(classes) == list(range(10))
    assert not np.array_equal(first[1], second[1])
    assert not np.array_equal(epoch(augmented(1), 0)[1], first[1])


def test_each_image_is_augmented_differently():
    images, classes = epoch(augmented(), 0)
    original = augmented().x[classes]
    moved = [not np.allclose(a, b) for a, b in zip(images, original, strict=True)]
    assert sum(moved) >= 8
    plain, classes = epoch(datasets.Batches(original, classes, 4), 3)
    assert len({image.tobytes() for image in plain}) == 10


def test_strength_of_noise_is_uniform_over_the_images():
    gray = np.full((400, 16, 16, 1), 0.5, "float32")
    noisy, _ = epoch(datasets.Batches(gray, np.arange(400), 100, [datasets.RandomNoise(0.1)]), 0)
    repeated, _ = epoch(datasets.Batches(gray, np.arange(400), 100, [datasets.RandomNoise(0.1)]), 0)
    np.testing.assert_array_equal(noisy, repeated)
    deviations = np.sort(noisy.std(axis=(1, 2, 3)))
    np.testing.assert_allclose(deviations, np.linspace(0, 0.1, 400), atol=0.02)
    assert np.abs(noisy.mean(axis=(1, 2, 3)) - 0.5).max() < 0.03
    assert len({image.tobytes() for image in noisy}) == 400


def test_noise_stays_in_range():
    images = np.array([0.0, 1.0], "float32").repeat(5_000).reshape(2, 5_000, 1, 1)
    noisy, _ = epoch(datasets.Batches(images, np.arange(2), 2, [datasets.RandomNoise(5.0)]), 0)
    assert noisy.min() == 0
    assert noisy.max() == 1
    with pytest.raises(
        ValueError, match=r"`max_stddev` must be a finite number in \(0.*Received: max_stddev=0"
    ):
        datasets.RandomNoise(max_stddev=0)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_any_augmentation_may_come_first(policy):
    images = np.random.default_rng(0).random((8, 6, 6, 1), dtype="float32")
    contrast = keras.layers.RandomContrast(0.4, value_range=(0, 1), dtype=policy)
    flip = keras.layers.RandomFlip("horizontal", dtype=policy)
    for layers in ([contrast], [flip, datasets.RandomNoise(0.3)], [datasets.RandomNoise(0.3), contrast]):
        augmented, _ = epoch(datasets.Batches(images, np.arange(8), 4, layers), 0)
        assert augmented.shape == images.shape
        assert 0 <= augmented.min() <= augmented.max() <= 1
