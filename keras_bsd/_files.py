"""Files that are written completely or not at all."""

import contextlib
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

from keras_bsd._types import Path


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[pathlib.Path]:
    """Yield a temporary path, whose file replaces `path` if the block succeeds.

    Missing folders are created. After an error no temporary file remains, and an earlier file is unchanged.

    Args:
        path: path of the file to write.
    """
    path = pathlib.Path(path)
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
