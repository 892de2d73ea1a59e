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
