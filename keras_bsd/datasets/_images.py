"""Image sets as arrays, split for training and testing."""

import difflib
import os
import tokenize
import zipfile

import numpy as np

from keras_bsd._files import check_zip, expand
from keras_bsd._optional import require
from keras_bsd._pixels import to_unit_range
from keras_bsd._types import Array, Path
from keras_bsd.datasets._tfds import explain_missing, home, require_tfds

Split = tuple[Array, Array]

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def load_images(name: Path, data_dir: Path | None = None) -> tuple[Split, Split]:
    """Return the images and classes of a data set, `(x_train, y_train), (x_test, y_test)`.

    Args:
        name: `"digits"`, the 1,797 handwritten digits (8x8) of scikit-learn, split 80:20 with the classes in
            proportion, in the same way at every call; or the name of a `tensorflow_datasets` image set with the
            splits `train` and `test`; or the path of an `.npz` file with the arrays `x_train`, `y_train`,
            `x_test`, `y_test`: images of integers in [0, 255] or floats in [0, 1], see
            `keras_bsd.applications.preprocess_input`, and integer classes from 0.
        data_dir: folder of `tensorflow_datasets` (default: its own, or `TFDS_DATA_DIR`).

    Returns:
        Images `(samples, height, width, channels)`, float32 in [0, 1]; classes `(samples,)`, int32.

    Raises:
        ValueError: the data set is unknown, is neither prepared nor downloadable, or does not consist of images
            and classes.

    Example:

    >>> (x_train, y_train), (x_test, y_test) = keras_bsd.datasets.load_images("digits")
    >>> x_train.shape, x_test.shape
    ((1437, 8, 8, 1), (360, 8, 8, 1))
    """
    if _is_npz(name):
        return _from_file(expand(name))
    return _digits() if name == "digits" else _from_tfds(os.fspath(name), home(data_dir))


def class_labels(name: Path, data_dir: Path | None = None) -> list[str] | None:
    """Return the labels of a data set's classes.

    Args:
        name, data_dir: see `load_images`.

    Returns:
        List of a string for each class, or None for a file, which has no labels.

    Example:

    >>> keras_bsd.datasets.class_labels("digits")[:3]
    ['0', '1', '2']
    """
    if _is_npz(name):
        return None
    if name == "digits":
        return [str(digit) for digit in range(10)]
    return list(require_tfds().builder(name, data_dir=home(data_dir)).info.features["label"].names)


def _is_npz(name):
    return str(name).endswith(".npz")


def _digits():
    purpose = "The data set 'digits'"
    images, classes = require("sklearn.datasets", purpose, "examples").load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8, 1) / 16).astype("float32")
    x_train, x_test, y_train, y_test = require("sklearn.model_selection", purpose, "examples").train_test_split(
        images, classes.astype("int32"), test_size=0.2, stratify=classes, random_state=0
    )
    return (x_train, y_train), (x_test, y_test)


def _from_file(path):
    if not path.is_file():
        raise ValueError(f"`name` must be the path of a file that exists. Received: {path}")
    try:
        check_zip(path)
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays if name in ARRAYS}
            others = [name for name in arrays if name not in ARRAYS]
    except (zipfile.BadZipFile, tokenize.TokenError, OSError, ValueError, SyntaxError, MemoryError) as error:
        raise ValueError(
            f"{path} must be a complete .npz file of arrays of numbers. Received: {error}. Copy it again, or "
            "save it by numpy.savez."
        ) from error
    if len(found) < len(ARRAYS):
        received = ", ".join([*found, *others]) or "none"
        raise ValueError(f"{path} must have the arrays {', '.join(ARRAYS)}. Received: {received}")
    x_train, y_train, x_test, y_test = (found[name] for name in ARRAYS)
    return _checked(path, x_train, y_train), _checked(path, x_test, y_test)


def _checked(path, images, classes):
    """Return images in [0, 1] and classes in the types of `load_images`, or raise."""
    images = images[..., None] if images.ndim == 3 else images
    valid = classes.dtype.kind in "ui" and classes.size == len(images) > 0 and classes.min() >= 0
    if images.ndim != 4 or not valid:
        raise ValueError(
            f"{path} must have images (samples, height, width, channels) and an integer class from 0 for each. "
            f"Received: shapes {images.shape} and {classes.shape}, classes of type {classes.dtype}"
        )
    images = to_unit_range(f"The images in {path}", images)
    return images, classes.reshape(-1).astype("int32")


def _from_tfds(name, data_dir):
    tfds = require_tfds()
    known = ["digits", *tfds.list_builders(with_community_datasets=False)]
    if name not in known:
        similar = difflib.get_close_matches(name, known) or ["digits", "mnist", "cifar10"]
        raise ValueError(
            f"Unknown data set: choose {', '.join(map(repr, similar))}, another image set of TFDS or the path "
            f"of an `.npz` file. Received: name={name!r}"
        )
    with explain_missing(name, data_dir):
        splits = tfds.load(name, split=["train", "test"], data_dir=data_dir, batch_size=-1, as_supervised=True)
    white = {"uint16": 65535}  # of a PNG file of 16 bits
    return tuple(
        (to_unit_range(f"The images of {name!r}", x, white.get(x.dtype.name)), np.asarray(y, "int32"))
        for x, y in tfds.as_numpy(splits)
    )
