"""Files that are written completely or not at all."""

import contextlib
import json
import os
import pathlib
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from keras_bsd._types import Path


def expand(path: Path, name: str = "path") -> pathlib.Path:
    """Return a path in which a leading `~` is the home folder.

    Args:
        path: path, as a user gives it.
        name: name of the argument, for errors.

    Raises:
        ValueError: `path` is no path.
    """
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"`{name}` must be a path, as a string or os.PathLike. Received: {name}={path!r}")
    return pathlib.Path(os.path.expanduser(path))


def check_zip(path: Path) -> None:
    """Raise `zipfile.BadZipFile` unless a file is a zip archive whose members all have their checksums.

    Args:
        path: path of an `.npz` or `.keras` file, for example.
    """
    errors = (zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, OverflowError)
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (*errors, UnicodeDecodeError) as error:
        raise zipfile.BadZipFile(str(error)) from error
    if damaged is not None:
        raise zipfile.BadZipFile(f"the checksum of its {damaged} is wrong")


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[pathlib.Path]:
    """Yield a temporary path, whose file replaces `path` if the block succeeds.

    Missing folders are created. After an error no temporary file remains, and an earlier file is unchanged.

    Args:
        path: path of the file to write.
    """
    path = expand(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        temporary = pathlib.Path(folder, path.name)
        yield temporary
        os.replace(temporary, path)


def write_json(path: Path, content: Any) -> None:
    """Write JSON data to a file, completely or not at all.

    Args:
        path: path of the file to write.
        content: data that JSON can represent.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")
