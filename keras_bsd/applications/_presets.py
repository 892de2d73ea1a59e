"""Presets: trained networks that come with the library, each a record in JSON beside its weights."""

import functools
import hashlib
import importlib
import inspect
import json
import pathlib
import zipfile

import keras

from keras_bsd._optional import require

FOLDER = pathlib.Path(__file__).parent / "weights"
SUFFIX = ".weights.h5"
SCORE_FORMATS = {"test_accuracy": "{:.2%}", "test_mse": "MSE {:.4f}"}


def names(folder=None):
    """Return the names of all presets in `folder` (default: those of the library)."""
    return sorted(path.stem for path in (folder or FOLDER).glob("*.json"))


def record(name):
    """Return the record of a preset: its application and arguments, labels, score, command, hash.

    Args:
        name: name of a preset, or path of a preset's `.json` file.

    Raises:
        ValueError: there is no such preset.
    """
    if not is_preset(name):
        raise ValueError(f"Unknown preset; there are {', '.join(map(repr, names()))}. Received: {name!r}")
    return json.loads(_record_path(name).read_text())


def _record_path(name):
    path = pathlib.Path(name)
    return path if path.suffix == ".json" else FOLDER / f"{name}.json"


def is_preset(weights):
    """Return whether `weights` is the name of a preset, or the path of a preset's `.json` file."""
    if isinstance(weights, pathlib.Path) or (isinstance(weights, str) and weights.endswith(".json")):
        return pathlib.Path(weights).suffix == ".json" and pathlib.Path(weights).is_file()
    return isinstance(weights, str) and weights in names()


def weights_path(name):
    """Return the path of a preset's weights, after a check that they are those that were published.

    Args:
        name: name of a preset, or path of a preset's `.json` file.

    Raises:
        ValueError: there is no such preset, or its file is missing or not as published.
    """
    path, published = _record_path(name).with_suffix(SUFFIX), record(name)["sha256"]
    received = digest(path) if path.exists() else "no file"
    if received != published:
        raise ValueError(
            f"The weights of preset {str(name)!r} in {path} are not as published: expected SHA-256 {published}. "
            f"Received: {received}. Install keras-bsd again."
        )
    return path


def digest(path):
    """Return the SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_preset(name, compile=False):
    """Load a trained model.

    Args:
        name: name of a preset (`list_presets` prints them), path of a preset's `.json` file, or path of a
            `.keras` file.
        compile: bool, whether the model of a `.keras` file is compiled as it was saved. Presets are not compiled.

    Returns:
        A pair, or the model that the `.keras` file holds.

    Raises:
        ValueError: there is no such preset or file, or a preset's weights are not as published.

    Example:

    >>> model = keras_bsd.applications.load_preset("etth1_hourly")
    >>> model.encoder.input_shape
    (None, 48, 7)
    """
    if is_preset(name):
        builder = getattr(importlib.import_module("keras_bsd.applications"), record(name)["application"])
        return builder(weights=name)
    path = pathlib.Path(name)
    if not path.is_file():
        raise ValueError(
            f"`name` must be a preset ({', '.join(map(repr, names()))}) or the path of a file that exists. "
            f"Received: name={str(name)!r}"
        )
    return keras.saving.load_model(path, compile=compile)


def list_presets():
    """Print every preset's task, data, score on test data, parameters and size.

    Returns:
        List of their names.

    Example:

    >>> names = keras_bsd.applications.list_presets()  # doctest: +SKIP
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


def load_weights(model, weights):
    """Load the verified weights of a preset, or those of a file, into a pair.

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


def from_presets(*required):
    """Return a decorator that lets a builder take its arguments, and the built pair its weights, from `weights`.

    The builder's `weights` may be the name of a preset, which then provides the arguments that the caller leaves
    out; or the path of a file of weights of the same network; or None.

    Args:
        required: names of the arguments that a caller must give unless a preset does.

    Raises:
        ValueError: (by the builder) `weights` is none of these, a required argument is missing, or the arguments
            contradict the preset.
    """

    def decorate(builder):
        signature = inspect.signature(builder)

        @functools.wraps(builder)
        def build(*args, **kwargs):
            given = signature.bind(*args, **kwargs).arguments
            extra = given.pop("kwargs", {})
            weights = given.get("weights")
            if is_preset(weights):
                given = {**given, **_preset_arguments(weights, builder.__name__, given)}
            elif weights is not None and not pathlib.Path(weights).exists():
                raise ValueError(
                    f"`weights` must be None, a preset ({', '.join(map(repr, names()))}) or the path of a file "
                    f"that exists. Received: weights={str(weights)!r}"
                )
            missing = [
                f"`{name}`" for name in required if given.get(name) is None and not _implied(name, given)
            ]
            if missing:
                raise ValueError(f"{builder.__name__} needs {' and '.join(missing)}, or a preset as `weights`.")
            return builder(**given, **extra)

        return build

    return decorate


def _implied(name, given):
    """Return whether another argument makes `name` superfluous."""
    if name == "input_shape":
        return given.get("input_tensor") is not None
    return name == "classes" and not given.get("include_top", True) and given.get("weights") is None


def _preset_arguments(name, application, given):
    """Return a preset's arguments, or raise if it is of another application or the caller's contradict it."""
    known = _arguments(name)
    top = given.get("include_top", True)
    given = {
        argument: _comparable(value)
        for argument, value in given.items()
        if argument in known and value is not None and not (argument == "classes" and not top)
    }
    if _fits(name, application, given):
        return known
    fitting = [repr(other) for other in names() if _fits(other, application, given)]
    raise ValueError(
        f"Preset {str(name)!r} is {_call(record(name)['application'], known)}. "
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
