"""Texts with their standard splits."""

import pathlib

from keras_bsd.datasets._tfds import explain_missing, require_tfds


def load_text(name, data_dir=None):
    """A text, split in order for training, validation and testing.

    Args:
        name: `"tiny_shakespeare"`, by `tensorflow_datasets` with its own split; or the path of a text
            file in UTF-8, split 90 to 5 to 5.
        data_dir: folder of `tensorflow_datasets` (default: its own, or `TFDS_DATA_DIR`).

    Returns:
        Three strings.

    Raises:
        ValueError: there is no such file, or the data set is not to be had.

    Example:

    >>> training, validation, test = keras_bsd.datasets.load_text("tiny_shakespeare")
    """
    if name == "tiny_shakespeare":
        tfds = require_tfds()

        with explain_missing(name, data_dir):
            parts = tfds.load(name, split=["train", "validation", "test"], data_dir=data_dir)
        return tuple(next(iter(tfds.as_numpy(part)))["text"].decode() for part in parts)
    path = pathlib.Path(name)
    if not path.exists():
        raise ValueError(f"There is no such file; the name of a set is 'tiny_shakespeare'. Received: {path}")
    text = path.read_text(encoding="utf-8")
    first, second = int(0.9 * len(text)), int(0.95 * len(text))
    return text[:first], text[first:second], text[second:]
