"""Paths of exported files."""

import contextlib
import os

from keras_bsd._files import atomic_write, expand


@contextlib.contextmanager
def atomic_export(filepath, suffix):
    """Yield a temporary path that replaces `filepath` when the block ends without an error.

    Raises:
        ValueError: `filepath` has another suffix, is a folder, or lies in a folder that cannot be written to.
    """
    path = expand(filepath, "filepath")
    if path.suffix != suffix or path.is_dir():
        raise ValueError(
            f"`filepath` must be the path of a file ending in {suffix}. Received: filepath={str(path)!r}"
        )
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ValueError(
            f"`filepath` must lie in a folder that can be written to. Received: filepath={str(path)!r}, "
            f"where {str(folder)!r} is {'not writable' if folder.is_dir() else 'a file'}"
        )
    with atomic_write(path) as written:
        yield written
