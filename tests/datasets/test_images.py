import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_bsd import datasets


class TinyImages(tfds.core.GeneratorBasedBuilder):
    """Six images of one grey value each."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(4, 5, 3)),
            "label": tfds.features.ClassLabel(num_classes=3),
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features), supervised_keys=("image", "label")
        )

    def _split_generators(self, _):
        return {"train": self._generate_examples(range(4)), "test": self._generate_examples(range(4, 6))}

    def _generate_examples(self, numbers):
        for i in numbers:
            yield i, {"image": np.full((4, 5, 3), 51 * i, "uint8"), "label": i % 3}


def test_digits_are_split_in_proportion_and_always_alike(digits):
    (x, y), (x_test, y_test) = digits
    assert x.shape == (1437, 8, 8, 1)
    assert x_test.shape == (360, 8, 8, 1)
    assert x.dtype == "float32"
    assert (x.min(), x.max()) == (0, 1)
    assert np.abs(np.bincount(y) / len(y) - np.bincount(y_test) / len(y_test)).max() < 0.005
    np.testing.assert_array_equal(datasets.load_images("digits")[1][0], x_test)


def test_no_digit_is_in_both_parts(digits):
    (x, _), (x_test, _) = digits
    assert not {image.tobytes() for image in x} & {image.tobytes() for image in x_test}


def test_a_set_of_tfds(tmp_path):
    TinyImages(data_dir=tmp_path).download_and_prepare()
    (x, y), (x_test, y_test) = datasets.load_images("tiny_images", tmp_path)
    np.testing.assert_allclose(np.sort(x[:, 0, 0, 0]), [0, 0.2, 0.4, 0.6], rtol=1e-6)
    assert x_test.shape == (2, 4, 5, 3)
    assert sorted(y) == [0, 0, 1, 2]
    np.testing.assert_array_equal(y_test, np.round(x_test[:, 0, 0, 0] * 5).astype(int) % 3)


def test_unknown_set():
    with pytest.raises(ValueError, match=r"there are 'mnist', .* Received: name='mnits'"):
        datasets.load_images("mnits")


def test_set_that_cannot_be_had(monkeypatch, tmp_path):
    def unreachable(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(tfds, "load", unreachable)
    with pytest.raises(ValueError, match=r"could not be downloaded. Point data_dir, or TFDS_DATA_DIR"):
        datasets.load_images("mnist", tmp_path)


def arrays(**changes):
    made = {
        "x_train": np.arange(5 * 12).reshape(5, 3, 4) % 256,
        "y_train": np.arange(5) % 2,
        "x_test": np.full((2, 3, 4), 51),
        "y_test": np.array([[1], [0]]),
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def test_a_file(tmp_path):
    np.savez(tmp_path / "own.npz", **arrays())
    (x, y), (x_test, y_test) = datasets.load_images(tmp_path / "own.npz")
    np.testing.assert_allclose(x[..., 0] * 255, arrays()["x_train"], rtol=1e-6)
    assert (x.dtype, y.dtype) == ("float32", "int32")
    np.testing.assert_allclose(x_test, np.full((2, 3, 4, 1), 0.2))
    np.testing.assert_array_equal(y_test, [1, 0])
    np.savez(tmp_path / "own.npz", **arrays(x_test=np.full((2, 3, 4, 1), 0.2, "float32")))
    np.testing.assert_array_equal(datasets.load_images(tmp_path / "own.npz")[1][0], x_test)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "must hold x_train, y_train, x_test, y_test. Received: x_train, y_train, x_test"),
        ({"x_test": np.zeros((2, 3))}, r"a class number for each. Received: shapes \(2, 3\)"),
        ({"y_test": np.zeros(3, int)}, r"Received: shapes \(2, 3, 4, 1\) and \(3,\)"),
        ({"y_test": np.zeros(2)}, "classes of type float64"),
        ({"y_test": np.eye(2, dtype=int)}, r"\(2, 3, 4, 1\) and \(2, 2\)"),
        ({"y_test": np.array([0, -1])}, "a class number for each"),
        ({"x_test": np.zeros((0, 3, 4), int), "y_test": np.zeros(0, int)}, "a class number for each"),
        ({"x_test": np.full((2, 3, 4), -1)}, r"floats in \[0, 1\]. Received: int64 from -1 to -1"),
        ({"x_test": np.full((2, 3, 4), 1.5)}, "Received: float64 from 1.5 to 1.5"),
        ({"x_test": np.full((2, 3, 4), 300)}, "from 300 to 300"),
    ],
)
def test_a_file_of_something_else(tmp_path, changes, message):
    np.savez(tmp_path / "own.npz", **arrays(**changes))
    with pytest.raises(ValueError, match=message):
        datasets.load_images(tmp_path / "own.npz")


def test_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"There is no such file. Received: .*own.npz"):
        datasets.load_images(tmp_path / "own.npz")


def test_class_labels(tmp_path):
    TinyImages(data_dir=tmp_path).download_and_prepare()
    assert datasets.class_labels("tiny_images", tmp_path) == ["0", "1", "2"]
    assert datasets.class_labels("digits")[9] == "9"
    assert datasets.class_labels("own.npz") is None


def augmented(seed=0):
    x = np.random.default_rng(0).random((10, 6, 6, 1), dtype="float32")
    layers = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomTranslation(0.3, 0.3)]
    return datasets.Batches(x, np.arange(10), 4, layers, seed)


def epoch(batches, number):
    batches.epoch_callback().on_epoch_begin(number)
    images, classes = zip(*(batches[i] for i in range(len(batches))), strict=True)
    return np.concatenate([keras.ops.convert_to_numpy(x) for x in images]), np.concatenate(classes)


def test_batches_depend_on_seed_and_epoch_alone():
    batches = augmented()
    first, second = epoch(batches, 0), epoch(batches, 1)
    for again, images in ((epoch(augmented(), 1), second), (epoch(batches, 0), first)):
        np.testing.assert_array_equal(again[0], images[0])
        np.testing.assert_array_equal(again[1], images[1])
    for images, classes in (first, second):
        assert images.shape == (10, 6, 6, 1)
        assert sorted(classes) == list(range(10))
    assert not np.array_equal(first[1], second[1])
    assert not np.array_equal(epoch(augmented(1), 0)[1], first[1])


def test_images_are_augmented_each_in_its_own_way():
    images, classes = epoch(augmented(), 0)
    original = augmented().x[classes]
    moved = [not np.allclose(a, b) for a, b in zip(images, original, strict=True)]
    assert sum(moved) >= 8
    plain, classes = epoch(datasets.Batches(original, classes, 4), 3)
    assert len({image.tobytes() for image in plain}) == 10


def test_noise_is_stronger_on_some_images_than_on_others():
    gray = np.full((400, 16, 16, 1), 0.5, "float32")
    noisy, _ = epoch(datasets.Batches(gray, np.arange(400), 100, [datasets.RandomNoise(0.1)]), 0)
    again, _ = epoch(datasets.Batches(gray, np.arange(400), 100, [datasets.RandomNoise(0.1)]), 0)
    np.testing.assert_array_equal(noisy, again)
    deviations = np.sort(noisy.std(axis=(1, 2, 3)))
    np.testing.assert_allclose(deviations, np.linspace(0, 0.1, 400), atol=0.02)  # evenly from none
    assert np.abs(noisy.mean(axis=(1, 2, 3)) - 0.5).max() < 0.03
    assert len({image.tobytes() for image in noisy}) == 400


def test_noise_stays_in_range():
    images = np.array([0.0, 1.0], "float32").repeat(5_000).reshape(2, 5_000, 1, 1)
    noisy, _ = epoch(datasets.Batches(images, np.arange(2), 2, [datasets.RandomNoise(5.0)]), 0)
    assert noisy.min() == 0
    assert noisy.max() == 1
    with pytest.raises(ValueError, match=r"`most` must be a finite number in \(0.*Received: most=0"):
        datasets.RandomNoise(0)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_any_augmentation_may_come_first(policy):
    images = np.random.default_rng(0).random((8, 6, 6, 1), dtype="float32")
    contrast = keras.layers.RandomContrast(0.4, value_range=(0, 1), dtype=policy)
    flip = keras.layers.RandomFlip("horizontal", dtype=policy)
    for layers in ([contrast], [flip, datasets.RandomNoise(0.3)], [datasets.RandomNoise(0.3), contrast]):
        augmented, _ = epoch(datasets.Batches(images, np.arange(8), 4, layers), 0)
        assert augmented.shape == images.shape
        assert 0 <= augmented.min() <= augmented.max() <= 1
