"""Trained networks that come with the library: for each a record in JSON beside its weights."""

import hashlib
import importlib
import json
import pathlib
import zipfile

import keras
from tabulate import tabulate

FOLDER = pathlib.Path(__file__).parent / "weights"
SUFFIX = ".weights.h5"
SCORES = {"test_accuracy": "{:.2%}", "test_mse": "MSE {:.4f}"}  # how a record's score is told


def names():
    """Names of all presets."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def record(name):
    """What is known of a preset: its application and arguments, labels, accuracy, command, hash.

    Args:
        name: of a preset.

    Raises:
        ValueError: there is no such preset.
    """
    if name not in names():
        raise ValueError(f"Unknown preset; there are {', '.join(map(repr, names()))}. Received: {name!r}")
    return json.loads((FOLDER / f"{name}.json").read_text())


def weights_path(name):
    """Path of a preset's weights, once they have been found to be those that were published.

    Args:
        name: of a preset.

    Raises:
        ValueError: there is no such preset, or its file is missing or not as published.
    """
    path, published = FOLDER / f"{name}{SUFFIX}", record(name)["sha256"]
    found = digest(path) if path.exists() else "no file"
    if found != published:
        raise ValueError(
            f"The weights of preset {name!r} in {path} are not as published: expected SHA-256 {published}. "
            f"Received: {found}. Install keras_bsd again."
        )
    return path


def load(name, compile=False):
    """The model of a preset, or of a `.keras` file.

    Args:
        name: of a preset, or path of a file.
        compile: bool, whether a file's model comes compiled as it was saved.
    """
    if not is_preset(name):
        return keras.saving.load_model(name, compile=compile)
    applications = importlib.import_module("keras_bsd.applications")
    return getattr(applications, record(name)["application"])(weights=name)


def digest(path):
    """SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_presets():
    """Print every preset's task, data, score on test data, parameters and size.

    Returns:
        Their names.

    Example:

    >>> keras_bsd.applications.list_presets()
    """
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
        next(told.format(known[score]) for score, told in SCORES.items() if score in known),
        f"{known['parameters']:,}",
        f"{size / 1e6:.1f} MB",
    )


def load_weights(model, weights):
    """Load a preset's weights, found to be as published, or those of a file, into a pair.

    Args:
        model: `keras_bsd.BSDModel`.
        weights: name of a preset, or a path.

    Raises:
        ValueError: the file is damaged, or holds other weights than the model's.
    """
    path = weights_path(weights) if is_preset(weights) else pathlib.Path(weights)
    try:
        model.load_weights(path)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is not a whole file of weights: it was cut short or changed on its way. Copy it again. "
            f"Received: {error}"
        ) from error


def arguments(application, weights, **given):
    """The arguments to build with: those given, or else the preset's, or else the defaults.

    Args:
        application: name of the builder.
        weights: as the builder was given it: a preset's name, a path or None.
        **given: for each argument what the builder was given and its default, None where there is none.

    Raises:
        ValueError: `weights` is none of these, an argument is missing, or the preset does not fit.
    """
    if is_preset(weights):
        return _of_preset(weights, application, {name: value for name, (value, _) in given.items()})
    if weights is not None and not pathlib.Path(weights).exists():
        raise ValueError(
            f"`weights` must be None, a preset ({', '.join(map(repr, names()))}) or the path of a file that "
            f"exists. Received: weights={str(weights)!r}"
        )
    settled = {name: default if value is None else value for name, (value, default) in given.items()}
    missing = [f"`{name}`" for name, value in settled.items() if value is None]
    if missing:
        raise ValueError(f"{application} needs {' and '.join(missing)}, or a preset as `weights`.")
    return settled


def is_preset(weights):
    """Whether `weights` is the name of a preset, and not a path or nothing."""
    return isinstance(weights, str) and weights in names()


def _of_preset(name, application, given):
    given = {argument: _comparable(value) for argument, value in given.items() if value is not None}
    if _fits(name, application, given):
        return _arguments(name)
    fitting = [repr(other) for other in names() if _fits(other, application, given)]
    raise ValueError(
        f"Preset {name!r} is {_call(record(name)['application'], _arguments(name))}. "
        f"Presets that fit your arguments: {', '.join(fitting) or 'none; train one, or leave them out'}. "
        f"Received: {_call(application, given)}"
    )


def _fits(name, application, given):
    own = _arguments(name)
    return record(name)["application"] == application and all(
        own.get(argument) == value for argument, value in given.items()
    )


def _arguments(name):
    return {argument: _comparable(value) for argument, value in record(name)["arguments"].items()}


def _comparable(value):
    return tuple(value) if isinstance(value, (list, tuple)) else value


def _call(application, given):
    return f"{application}({', '.join(f'{name}={value!r}' for name, value in given.items())})"
