"""TensorFlow Datasets, and what to do where a set is missing."""

import contextlib

from keras_bsd._optional import require


def require_tfds():
    """Return the package `tensorflow_datasets`."""
    return require("tensorflow_datasets", "Loading sets of TensorFlow Datasets")


@contextlib.contextmanager
def explain_missing(name, data_dir):
    """Say what to do if TFDS has not got a data set, and cannot download it."""
    try:
        yield
    except (OSError, ConnectionError, AssertionError) as error:
        raise ValueError(
            f"The data set {name!r} is not in {data_dir or 'the default folder'} and could not be "
            "downloaded. Point data_dir, or TFDS_DATA_DIR, to a folder where TFDS has prepared it."
        ) from error
