"""Presets: trained networks that come with the library, each a JSON record beside its weights."""

import hashlib
import json
import os
import pathlib
from typing import Any

from keras_bsd._files import expand
from keras_bsd._optional import require
from keras_bsd._types import Config, Path

FOLDER = pathlib.Path(__file__).parent / "weights"
SUFFIX = ".weights.h5"
SCORE_FORMATS = {"test_accuracy": "{:.2%}", "test_mse": "MSE {:.4f}"}


def names() -> list[str]:
    """Return the names of the library's presets."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def quoted_names() -> str:
    """Return the names of the library's presets for an error message."""
    return ", ".join(map(repr, names()))


def is_preset(weights: Any) -> bool:
    """Return whether `weights` is the name of a preset, or the path of a `.json` file."""
    if not isinstance(weights, str | os.PathLike):
        return False
    path = expand(weights)
    is_record = path.suffix == ".json" and not path.name.endswith(".weights.json")
    return weights in names() or (is_record and path.is_file())


def record(name: Path) -> Config:
    """Return the record of a preset: its application and arguments, labels, score, command, hash.

    Args:
        name: name of a preset, or path of a preset's `.json` record.

    Raises:
        ValueError: there is no such preset, or the file is not the record of a preset.
    """
    if not is_preset(name):
        raise ValueError(
            f"Unknown preset: choose one of {quoted_names()}, or the path of a `.json` record. "
            f"Received: {str(name)!r}"
        )
    try:
        content = json.loads(_record_path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not the record of a preset. Received: {error}. Copy it again.") from error
    kinds = {"application": str, "arguments": dict, "sha256": str}
    entries = content if isinstance(content, dict) else {}
    missing = [key for key, kind in kinds.items() if not isinstance(entries.get(key), kind)]
    if missing:
        raise ValueError(f"{name} is not the record of a preset. Received: no {', '.join(missing)} in it")
    return content


def arguments(name: Path) -> Config:
    """Return the arguments of a preset's builder, as `comparable` returns them."""
    return {argument: comparable(value) for argument, value in record(name)["arguments"].items()}


def comparable(value: Any) -> Any:
    """Return an argument in the form in which equal arguments compare equal: tuples, and None for "none"."""
    if isinstance(value, str) and value == "none":
        return None
    return tuple(value) if isinstance(value, list | tuple) else value


def weights_path(name: Path) -> pathlib.Path:
    """Return the path of a preset's weights after comparing their hash with the published one.

    Args:
        name: name of a preset, or path of a preset's `.json` record.

    Raises:
        ValueError: there is no such preset, or its weights are missing or not those that were published.
    """
    path, published = _record_path(name).with_suffix(SUFFIX), record(name)["sha256"]
    received = digest(path) if path.exists() else "no file"
    if received != published:
        raise ValueError(
            f"The weights of preset {str(name)!r} must have SHA-256 {published}. Received: {received}, {path}. "
            "Reinstall keras-bsd, or copy the preset's files again."
        )
    return path


def _record_path(name):
    path = expand(name)
    return path if path.suffix == ".json" else FOLDER / f"{name}.json"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_presets() -> list[str]:
    """Print every preset's task, data, score on test data, parameters and size, and return their names.

    Returns:
        List of strings.

    Example:

    >>> names = keras_bsd.applications.list_presets()
    preset               application         task         data              test score  parameters  size
    cifar10_autoencoder  SpikingAutoencoder  generation   cifar10           MSE ...
    ...
    >>> "etth1_hourly" in names
    True
    """
    tabulate = require("tabulate", "Printing presets").tabulate
    columns = ("preset", "application", "task", "data", "test score", "parameters", "size")
    print(tabulate(map(_row, names()), columns, tablefmt="plain", disable_numparse=True))
    return names()


def _row(name):
    known = record(name)
    size = (FOLDER / f"{name}{SUFFIX}").stat().st_size
    return (
        name,
        known["application"],
        known["task"],
        known["data"],
        next(form.format(known[score]) for score, form in SCORE_FORMATS.items() if score in known),
        f"{known['parameters']:,}",
        f"{size / 1e6:.1f} MB",
    )
