"""Texts with their standard splits."""

from keras_bsd._files import expand
from keras_bsd._types import Path
from keras_bsd.datasets._tfds import explain_missing, home, require_tfds


def load_text(name: Path, data_dir: Path | None = None) -> tuple[str, str, str]:
    """Return a text, split in order for training, validation and testing.

    Args:
        name: `"tiny_shakespeare"`, loaded by `tensorflow_datasets` with its own split; or the path of a text
            file in UTF-8, split 90:5:5.
        data_dir: folder of `tensorflow_datasets` (default: its own, or `TFDS_DATA_DIR`).

    Returns:
        Three strings.

    Raises:
        ValueError: there is no such file, it is not in UTF-8, or the data set is neither prepared nor
            downloadable.

    Example:

    >>> with open("text.txt", "w") as file:
    ...     characters = file.write("abcdefghij" * 10)
    >>> training, validation, test = keras_bsd.datasets.load_text("text.txt")
    >>> len(training), len(validation), len(test)
    (90, 5, 5)
    """
    if name == "tiny_shakespeare":
        tfds = require_tfds()
        with explain_missing(name, data_dir):
            splits = tfds.load(name, split=["train", "validation", "test"], data_dir=home(data_dir))
        training, validation, test = (next(iter(tfds.as_numpy(s)))["text"].decode() for s in splits)
        return training, validation, test
    path = expand(name)
    if not path.is_file():
        raise ValueError(
            f"`name` must be 'tiny_shakespeare' or the path of a file that exists. Received: {path}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} must be a text file in UTF-8. Received: {error}. Convert or copy it again."
        ) from error
    first, second = int(0.9 * len(text)), int(0.95 * len(text))
    return text[:first], text[first:second], text[second:]
