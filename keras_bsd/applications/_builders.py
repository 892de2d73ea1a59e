"""What all builders share: arguments and weights from presets, and checks."""

import functools
import inspect
import pathlib
import zipfile
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import keras

from keras_bsd import _checks
from keras_bsd._types import Config, Function, Model, Path
from keras_bsd.applications import _presets
from keras_bsd.layers._lif import SpikingLIF

_Builder = TypeVar("_Builder", bound=Function)

_BUILDERS: dict[str, Function] = {}


def from_presets(builder: _Builder) -> _Builder:
    """Decorate a builder so that its `weights` may be a preset, which provides omitted arguments.

    An argument counts as omitted if the caller does not pass it, or passes None and its default is None. An
    argument that the caller passes must equal the preset's, even if it equals the builder's default.

    Raises:
        ValueError: (by the builder) `weights` is neither a preset, nor the path of a file, nor None; or the
            preset is of another builder or contradicts an argument.
    """
    signature = inspect.signature(builder)

    @functools.wraps(builder)
    def build(*args, **kwargs):
        passed = signature.bind(*args, **kwargs).arguments
        further = passed.pop("kwargs", {})
        weights = passed.get("weights")
        if _presets.is_preset(weights):
            explicit = {
                name: _presets.comparable(value)
                for name, value in passed.items()
                if value is not None or signature.parameters[name].default is not None
            }
            passed |= _preset_arguments(weights, builder.__name__, explicit)
        elif weights is not None and not pathlib.Path(weights).is_file():
            raise ValueError(
                f"`weights` must be None, a preset ({_presets.quoted_names()}) or the path of a file that "
                f"exists. Received: weights={str(weights)!r}"
            )
        return builder(**passed, **further)

    _BUILDERS[builder.__name__] = build
    return cast(_Builder, build)


def _preset_arguments(preset, application, explicit):
    """Return a preset's arguments, or raise if it is of another application or contradicts `explicit`."""
    known = _presets.arguments(preset)
    # Without its top, the network that a preset provides serves any number of classes.
    ignored = {"classes"} if not explicit.get("include_top", True) else set()
    explicit = {name: value for name, value in explicit.items() if name in known and name not in ignored}
    if _fits(preset, application, explicit):
        return known
    fitting = [repr(other) for other in _presets.names() if _fits(other, application, explicit)]
    raise ValueError(
        f"Preset {str(preset)!r} is {_call(_presets.record(preset)['application'], known)}. "
        f"Presets that fit your arguments: {', '.join(fitting) or 'none; train one, or omit the arguments'}. "
        f"Received: {_call(application, explicit)}"
    )


def _fits(preset, application, explicit):
    known = _presets.arguments(preset)
    return _presets.record(preset)["application"] == application and all(
        name in known and known[name] == value for name, value in explicit.items()
    )


def _call(application, arguments):
    return f"{application}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"


def load_weights(model: Model, weights: Path | None) -> Model:
    """Load the verified weights of a preset, or those of a file, into a pair.

    Args:
        model: `keras_bsd.BSDModel`.
        weights: name of a preset, path of its `.json` record, path of a file of weights, or None.

    Returns:
        `model`.

    Raises:
        ValueError: the file is damaged, or its weights are not of the model's shapes.
    """
    if weights is None:
        return model
    path = _presets.weights_path(weights) if _presets.is_preset(weights) else pathlib.Path(weights)
    try:
        model.load_weights(path)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} must be a complete file of weights; this one is truncated or damaged. Received: {error}. "
            "Copy it again."
        ) from error
    return model


def load_preset(name: Path, compile: bool = False) -> Model:
    """Load a trained model.

    Args:
        name: name of a preset (`list_presets` prints them), path of a preset's `.json` record, or path of a
            `.keras` file.
        compile: bool, whether the model of a `.keras` file is compiled as it was saved. Presets are not
            compiled.

    Returns:
        A pair, or the model that the `.keras` file contains.

    Raises:
        ValueError: there is no such preset or file, or a preset's weights are not those that were published.

    Example:

    >>> model = keras_bsd.applications.load_preset("etth1_hourly")
    >>> model.encoder.input_shape
    (None, 48, 7)
    """
    if _presets.is_preset(name):
        application = _checks.one_of("application", _presets.record(name)["application"], sorted(_BUILDERS))
        return _BUILDERS[application](weights=name)
    path = pathlib.Path(name)
    if not path.is_file():
        raise ValueError(
            f"`name` must be a preset ({_presets.quoted_names()}) or the path of a file that exists. "
            f"Received: name={str(name)!r}"
        )
    return keras.saving.load_model(path, compile=compile)


def required(name: str, value: Any) -> Any:
    """Return an argument, or raise if neither the caller nor a preset provides it."""
    if value is None:
        raise ValueError(
            f"`{name}` is required unless `weights` is a preset. Received: {name}=None. Pass it, or a preset: "
            f"{_presets.quoted_names()}"
        )
    return value


def stage_sizes(name: str, sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the sizes of a network's stages as a tuple, or raise if there are none."""
    if not len(sizes):
        raise ValueError(f"A spiking network needs at least one stage. Received: {name}={sizes!r}")
    return tuple(sizes)


def neuron_factory(neuron: Config | None) -> Function:
    """Return a function that makes new neurons from a dict of `SpikingLIF` arguments, or by its defaults."""
    return functools.partial(SpikingLIF, **(neuron or {}))
