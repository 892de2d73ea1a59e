"""Image sets as arrays, split for training and testing."""

import difflib
import pathlib

import numpy as np

from keras_bsd._optional import require
from keras_bsd.datasets._tfds import explain_missing, require_tfds

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def load_images(name, data_dir=None):
    """Images and classes, `(x_train, y_train), (x_test, y_test)`.

    Args:
        name: `"digits"`, the 1,797 real handwritten digits that scikit-learn carries (8x8), split 80
            to 20 with the classes in proportion, the same at every call; or the name of a
            `tensorflow_datasets` image set with the splits `train` and `test`; or the path of an `.npz`
            file with arrays `x_train`, `y_train`, `x_test`, `y_test`: images of integers from 0 to
            255 or of floats in [0, 1], and class numbers from 0.
        data_dir: folder of `tensorflow_datasets` (default: its own, or `TFDS_DATA_DIR`).

    Returns:
        Images `(samples, height, width, channels)`, float32 in [0, 1]; classes `(samples,)`, int32.

    Raises:
        ValueError: the data set is unknown, is not to be had, or is not of images and classes.

    Example:

    >>> (x_train, y_train), (x_test, y_test) = keras_bsd.datasets.load_images("digits")
    """
    if str(name).endswith(".npz"):
        return _from_file(pathlib.Path(name))
    return _digits() if name == "digits" else _from_tfds(name, data_dir)


def _digits():
    purpose = "The data set 'digits'"
    images, classes = require("sklearn.datasets", purpose, "examples").load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8, 1) / 16).astype("float32")
    split = require("sklearn.model_selection", purpose, "examples").train_test_split(
        images, classes.astype("int32"), test_size=0.2, stratify=classes, random_state=0
    )
    x_train, x_test, y_train, y_test = split
    return (x_train, y_train), (x_test, y_test)


def _from_file(path):
    if not path.exists():
        raise ValueError(f"There is no such file. Received: {path}")
    with np.load(path) as arrays:
        if not set(ARRAYS) <= set(arrays):
            raise ValueError(f"{path} must hold {', '.join(ARRAYS)}. Received: {', '.join(arrays)}")
        x_train, y_train, x_test, y_test = (arrays[name] for name in ARRAYS)
    return _checked(path, x_train, y_train), _checked(path, x_test, y_test)


def _checked(path, images, classes):
    images = images[..., None] if images.ndim == 3 else images
    numbered = classes.dtype.kind in "ui" and classes.size == len(images) > 0 and classes.min() >= 0
    if images.ndim != 4 or not numbered:
        raise ValueError(
            f"{path} must hold images (samples, height, width, channels) and a class number for each. "
            f"Received: shapes {images.shape} and {classes.shape}, classes of type {classes.dtype}"
        )
    whole = images.dtype.kind in "ui"
    if not 0 <= images.min() <= images.max() <= (255 if whole else 1):
        raise ValueError(
            f"{path} must hold images of integers in [0, 255] or of floats in [0, 1]. "
            f"Received: {images.dtype} from {images.min():g} to {images.max():g}"
        )
    images = _unit_range(images) if whole else images.astype("float32")
    return images, classes.reshape(-1).astype("int32")


def class_labels(name, data_dir=None):
    """What the classes of a data set are called.

    Args:
        name, data_dir: see `load_images`.

    Returns:
        List of strings by class number, or None for a file, which has no names for them.

    Example:

    >>> keras_bsd.datasets.class_labels("digits")[:3]
    ['0', '1', '2']
    """
    if str(name).endswith(".npz"):
        return None
    if name == "digits":
        return [str(digit) for digit in range(10)]
    return list(require_tfds().builder(name, data_dir=data_dir).info.features["label"].names)


def _from_tfds(name, data_dir):
    tfds = require_tfds()
    known = ["digits", *tfds.list_builders(with_community_datasets=False)]
    if name not in known:
        alike = ", ".join(map(repr, difflib.get_close_matches(name, known))) or "'digits', 'mnist', 'cifar10'"
        raise ValueError(f"Unknown data set; there are {alike} and others of TFDS. Received: name={name!r}")
    with explain_missing(name, data_dir):
        splits = tfds.load(name, split=["train", "test"], data_dir=data_dir, batch_size=-1, as_supervised=True)
    return tuple((_unit_range(x), np.asarray(y, "int32")) for x, y in tfds.as_numpy(splits))


def _unit_range(images):
    return images.astype("float32") / 255
