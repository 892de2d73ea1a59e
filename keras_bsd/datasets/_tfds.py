"""TensorFlow Datasets, and an error for data sets that it cannot provide."""

import contextlib
from collections.abc import Iterator
from types import ModuleType

from keras_bsd._files import expand
from keras_bsd._optional import require
from keras_bsd._types import Path


def require_tfds() -> ModuleType:
    """Return the package `tensorflow_datasets`."""
    return require("tensorflow_datasets", "Loading data sets of TensorFlow Datasets")


def home(data_dir: Path | None) -> Path | None:
    """Return a folder in which a leading `~` is the home folder."""
    return None if data_dir is None else expand(data_dir)


@contextlib.contextmanager
def explain_missing(name: str, data_dir: Path | None) -> Iterator[None]:
    """Turn errors of TFDS for a data set that is neither prepared nor downloadable into one with a remedy."""
    try:
        yield
    except (OSError, ConnectionError, AssertionError) as error:
        raise ValueError(
            f"`name` must be a data set that is prepared in {data_dir or 'the default folder'} or can be "
            f"downloaded. Received: name={name!r}, which could not be downloaded. Point data_dir, or "
            "TFDS_DATA_DIR, to a folder where TFDS has prepared it."
        ) from error
