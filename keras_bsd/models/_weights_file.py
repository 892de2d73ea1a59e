"""Files of weights: what they hold, and a seal that tells whether they are complete."""

import hashlib
import io
import json
import os
import pathlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py

from keras_bsd._files import check_zip
from keras_bsd._types import Config

Inventory = dict[str, tuple[int, ...]]  # shapes of arrays by their paths

SUFFIXES = (".keras", ".weights.h5", ".weights.json")
MEMBERS = ("model.weights.h5", "config.json")  # of a `.keras` file
_TRAINING = ("optimizer/", "layers/local_readout")  # arrays that only training needs
_SHOWN = 6

# A seal follows the HDF5 data, where readers of HDF5 ignore it: JSON, and then 56 bytes, the SHA-256 of all
# before them, the JSON's length and this mark. It is checked before HDF5, whose library trusts what it reads.
_MARK = b"keras_bsd.seal.1"
_DIGEST, _LENGTH = hashlib.sha256().digest_size, 8


def seal(path: pathlib.Path, content: Config) -> None:
    """Append `content`, which JSON can represent, and a checksum to a file of weights."""
    text = json.dumps(content).encode()
    with open(path, "r+b") as file:
        digest = hashlib.file_digest(file, "sha256")
        digest.update(text)
        file.seek(0, os.SEEK_END)
        file.write(text + digest.digest() + len(text).to_bytes(_LENGTH, "big") + _MARK)


def check_seal(path: pathlib.Path) -> Config | None:
    """Return the content of a file's seal, or None if the file has none, as other programs write it.

    Raises:
        ValueError: the file has changed since it was sealed.
    """
    footer = _DIGEST + _LENGTH + len(_MARK)
    size = path.stat().st_size
    if size < footer:
        return None
    with open(path, "rb") as file:
        file.seek(size - footer)
        expected, length, mark = (file.read(count) for count in (_DIGEST, _LENGTH, len(_MARK)))
        if mark != _MARK:
            return None
        file.seek(0)
        digest, remaining = hashlib.sha256(), size - footer
        while remaining:
            digest.update(chunk := file.read(min(remaining, 1 << 20)))
            remaining -= len(chunk)
        if digest.digest() != expected:
            raise ValueError("its checksum is not that of its content")
        count = int.from_bytes(length, "big")
        if count > size - footer:
            raise ValueError("its seal is damaged")
        file.seek(size - footer - count)
        return json.loads(file.read(count))


@contextmanager
def complete(path: pathlib.Path) -> Iterator[None]:
    """Turn errors of readers of a file of weights into one that names the file and a remedy."""
    try:
        yield
    except (OSError, KeyError, RuntimeError, EOFError, zipfile.BadZipFile, json.JSONDecodeError) as error:
        raise damaged(path, error) from error


def damaged(path: pathlib.Path, error: Any) -> ValueError:
    return ValueError(
        f"{path} must be a complete file of weights; this one is truncated, damaged or of another kind. "
        f"Received: {error}. Copy it again."
    )


def read_keras_file(path: pathlib.Path) -> tuple[Inventory, Config]:
    """Return the arrays of a `.keras` file and the configuration of its model.

    Raises:
        zipfile.BadZipFile: the file is damaged.
        KeyError: it is not a `.keras` file.
    """
    check_zip(path)
    with zipfile.ZipFile(path) as archive:
        weights, config = map(archive.read, MEMBERS)
    return _inventory(io.BytesIO(weights)), json.loads(config)


def data_files(path: pathlib.Path) -> list[pathlib.Path]:
    """Return the HDF5 files of weights: a `.weights.h5` file itself, or those that a `.weights.json` names."""
    if path.suffix != ".json":
        return [path]
    names: set[str] = set()
    for files in json.loads(path.read_text())["weight_map"].values():
        names.update([files] if isinstance(files, str) else files)
    if not names:
        raise ValueError("it names no files")
    return [path.with_name(name) for name in sorted(names)]


def read_inventory(path: pathlib.Path) -> Inventory:
    """Return the arrays of a `.weights.h5` file, or of all the files that a `.weights.json` file names."""
    found: Inventory = {}
    for file in data_files(path):
        found |= _inventory(file)
    return found


def _inventory(file) -> Inventory:
    found: Inventory = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = tuple(item.shape)

    with h5py.File(file, "r") as content:
        content.visititems(add)
    return found


def mismatches(saved: Inventory, present: Inventory) -> list[str]:
    """Return how the arrays in a file differ from those of a model, one line for each kind of difference.

    Optimizers are no part of a network. Local readouts serve training alone: a file without them, or a model
    without them, is no difference.
    """
    ignored = (_TRAINING[0],) if _have_readouts(saved) and _have_readouts(present) else _TRAINING
    saved, present = (
        {path: shape for path, shape in arrays.items() if not path.startswith(ignored)}
        for arrays in (saved, present)
    )
    lines = []
    for arrays, others, verdict in (
        (saved, present, "in the file, without a place in the model"),
        (present, saved, "in the model, and not in the file"),
    ):
        if alone := list(dict.fromkeys(path.split("/vars/")[0] for path in arrays if path not in others)):
            lines.append(f"weights of {_shortened(alone)} are {verdict}")
    reshaped = [
        f"{path} {shape} in the file, {present[path]} in the model"
        for path, shape in saved.items()
        if path in present and present[path] != shape
    ]
    return lines + ([f"other shapes: {_shortened(reshaped)}"] if reshaped else [])


def _have_readouts(arrays):
    return any(path.startswith(_TRAINING[1]) for path in arrays)


def _shortened(lines):
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return ", ".join(lines[:_SHOWN] + more)
