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


def test_digits_are_split_in_proportion_and_reproducibly(digits):
    (x, y), (x_test, y_test) = digits
    assert x.shape == (1437, 8, 8, 1)
    assert x_test.shape == (360, 8, 8, 1)
    assert x.dtype == "float32"
    assert (x.min(), x.max()) == (0, 1)
    assert np.abs(np.bincount(y) / len(y) - np.bincount(y_test) / len(y_test)).max() < 0.005
    np.testing.assert_array_equal(datasets.load_images("digits")[1][0], x_test)


def test_no_digit_is_in_both_splits(digits):
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
    with pytest.raises(ValueError, match=r"choose 'mnist', .* Received: name='mnits'"):
        datasets.load_images("mnits")


def test_a_set_that_is_neither_prepared_nor_downloadable(monkeypatch, tmp_path):
    def unreachable(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(tfds, "load", unreachable)
    with pytest.raises(
        ValueError, match=r"Received: name='mnist', which could not be downloaded. Point data_dir, or TFDS"
    ):
        datasets.load_images("mnist", tmp_path)


def arrays(**changes):
    content = {
        "x_train": np.arange(5 * 12).reshape(5, 3, 4) % 256,
        "y_train": np.arange(5) % 2,
        "x_test": np.full((2, 3, 4), 51),
        "y_test": np.array([[1], [0]]),
    }
    return {name: value for name, value in (content | changes).items() if value is not None}


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
        (
            {"y_test": None},
            "must have the arrays x_train, y_train, x_test, y_test. Received: x_train, y_train, x_test",
        ),
        ({"x_test": np.zeros((2, 3))}, r"an integer class from 0 for each. Received: shapes \(2, 3\)"),
        ({"y_test": np.zeros(3, int)}, r"Received: shapes \(2, 3, 4, 1\) and \(3,\)"),
        ({"y_test": np.zeros(2)}, "classes of type float64"),
        ({"y_test": np.eye(2, dtype=int)}, r"\(2, 3, 4, 1\) and \(2, 2\)"),
        ({"y_test": np.array([0, -1])}, "an integer class from 0 for each"),
        ({"x_test": np.zeros((0, 3, 4), int), "y_test": np.zeros(0, int)}, "an integer class from 0 for each"),
        (
            {"x_test": np.full((2, 3, 4), -1)},
            r"floats in \[0, 1\], .*Received: dtype=int64, values from -1 to -1",
        ),
        ({"x_test": np.full((2, 3, 4), 1.5)}, "Received: dtype=float64, values from 1.5 to 1.5"),
        ({"x_test": np.full((2, 3, 4), 300)}, "from 300 to 300"),
    ],
)
def test_a_file_of_other_arrays(tmp_path, changes, message):
    np.savez(tmp_path / "own.npz", **arrays(**changes))
    with pytest.raises(ValueError, match=message):
        datasets.load_images(tmp_path / "own.npz")


@pytest.mark.parametrize("content", [b"123", b"PK\x03\x04 cut", b""])
def test_a_damaged_file(tmp_path, content):
    (tmp_path / "own.npz").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"own.npz must be a complete .npz file of arrays of numbers. Received"
    ):
        datasets.load_images(tmp_path / "own.npz")


def test_a_file_of_objects_is_not_unpickled(tmp_path):
    np.savez(tmp_path / "own.npz", **arrays(x_test=np.array([print, print])))
    with pytest.raises(ValueError, match=r"own.npz must be .* of numbers. Received: Object arrays cannot"):
        datasets.load_images(tmp_path / "own.npz")


def test_images_of_zeros_and_ones_and_of_16_bits(tmp_path):
    ones = (np.arange(24).reshape(2, 3, 4) % 2).astype("float32")
    for values in (ones, ones.astype(bool)):
        np.savez(tmp_path / "own.npz", **arrays(x_test=values))
        np.testing.assert_array_equal(datasets.load_images(tmp_path / "own.npz")[1][0][..., 0], ones)
    np.savez(tmp_path / "own.npz", **arrays(x_test=ones.astype("uint16")))
    with pytest.raises(ValueError, match=r"Received: dtype=uint16, values from 0 to 1. Pass or divide by"):
        datasets.load_images(tmp_path / "own.npz")


def test_a_path_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.savez(tmp_path / "own.npz", **arrays())
    assert datasets.load_images("~/own.npz")[1][0].shape == (2, 3, 4, 1)


def test_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"the path of a file that exists. Received: .*own.npz"):
        datasets.load_images(tmp_path / "own.npz")


def test_class_labels(tmp_path):
    TinyImages(data_dir=tmp_path).download_and_prepare()
    assert datasets.class_labels("tiny_images", tmp_path) == ["0", "1", "2"]
    assert datasets.class_labels("digits")[9] == "9"
    assert datasets.class_labels("own.npz") is None
