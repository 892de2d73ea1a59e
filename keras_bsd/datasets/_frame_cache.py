"""Frames on disk, by the content of a recording."""

import contextlib
import hashlib
import pathlib
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_bsd._files import atomic_write, check_zip, expand
from keras_bsd._types import Array, Path
from keras_bsd._version import __version__


class FrameCache:
    """Frames in a folder, each in a file that is written as a whole, and written again if it is damaged.

    Args:
        folder: path of the folder, which is created.
        settings: all that frames depend on besides the recording; a value with a stable `repr`.
    """

    def __init__(self, folder: Path, settings: Any) -> None:
        self._folder = expand(folder, "cache_dir")
        self._settings = repr((__version__, settings)).encode()

    def frames(self, recording: Array | pathlib.Path, make: Callable[[], Array]) -> Array:
        """Return the frames of a recording, from its file or as `make` returns them.

        Args:
            recording: array of events, or path of their file.
            make: function without arguments.
        """
        path = self._folder / f"{self._key(recording)}.npz"
        # An error means that there is no such file, or a damaged one.
        with contextlib.suppress(OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            check_zip(path)
            with np.load(path, allow_pickle=False) as content:
                return content["frames"]
        frames = make()
        with atomic_write(path) as temporary:
            np.savez_compressed(temporary, frames=frames)
        return frames

    def _key(self, recording):
        digest = hashlib.sha256(self._settings)
        if isinstance(recording, np.ndarray):
            digest.update(repr((recording.dtype.descr, recording.shape)).encode())
            digest.update(np.ascontiguousarray(recording).view("uint8").data)
        else:
            digest.update(recording.suffix.lower().encode())
            with open(recording, "rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
        return digest.hexdigest()
