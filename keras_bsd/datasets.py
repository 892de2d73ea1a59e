"""Image sets as arrays, split for training and testing."""

import difflib

import numpy as np


def load_images(name, data_dir=None):
    """Images and classes, `(x_train, y_train), (x_test, y_test)`.

    Args:
        name: `"digits"`, the 1,797 real handwritten digits that scikit-learn carries (8x8), split 80
            to 20 with the classes in proportion, the same at every call; or the name of a
            `tensorflow_datasets` image set with the splits `train` and `test`.
        data_dir: folder of `tensorflow_datasets` (default: its own, or `TFDS_DATA_DIR`).

    Returns:
        Images `(samples, height, width, channels)`, float32 in [0, 1]; classes `(samples,)`, int32.

    Raises:
        ValueError: the data set is unknown or is not to be had.

    Example:

    >>> (x_train, y_train), (x_test, y_test) = keras_bsd.datasets.load_images("digits")
    """
    return _digits() if name == "digits" else _from_tfds(name, data_dir)


def _digits():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, classes = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8, 1) / 16).astype("float32")
    split = train_test_split(images, classes.astype("int32"), test_size=0.2, stratify=classes, random_state=0)
    x_train, x_test, y_train, y_test = split
    return (x_train, y_train), (x_test, y_test)


def _from_tfds(name, data_dir):
    import tensorflow_datasets as tfds

    known = ["digits", *tfds.list_builders(with_community_datasets=False)]
    if name not in known:
        alike = ", ".join(map(repr, difflib.get_close_matches(name, known))) or "'digits', 'mnist', 'cifar10'"
        raise ValueError(f"Unknown data set; there are {alike} and others of TFDS. Received: name={name!r}")
    try:
        splits = tfds.load(name, split=["train", "test"], data_dir=data_dir, batch_size=-1, as_supervised=True)
    except (OSError, ConnectionError, AssertionError) as error:
        raise ValueError(
            f"The data set {name!r} is not in {data_dir or 'the default folder'} and could not be "
            "downloaded. Point data_dir, or TFDS_DATA_DIR, to a folder where TFDS has prepared it."
        ) from error
    return tuple((_unit_range(x), np.asarray(y, "int32")) for x, y in tfds.as_numpy(splits))


def _unit_range(images):
    return images.astype("float32") / 255
