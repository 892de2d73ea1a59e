"""Files that are written whole or not at all."""

import contextlib
import json
import os
import pathlib
import tempfile


@contextlib.contextmanager
def atomic_write(path):
    """Give a path to write to in place of `path`, whose file it becomes when the block has ended well.

    Missing folders are made. After an error nothing is left, and an earlier file is as it was.

    Args:
        path: of the file to write.

    Example:

    >>> with keras_bsd.files.atomic_write("runs/digits.keras") as path:
    ...     model.save(path)
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        written = pathlib.Path(folder, path.name)
        yield written
        os.replace(written, path)


def write_json(path, content):
    """Write what JSON can hold, whole or not at all.

    Args:
        path: of the file to write.
        content: of it.
    """
    with atomic_write(path) as written:
        written.write_text(json.dumps(content, indent=1) + "\n")
