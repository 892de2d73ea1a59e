"""What all builders share: arguments and weights from presets and files, and checks."""

import functools
import inspect
import json
import numbers
import os
import pathlib
import types
import zipfile
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar, cast

import keras
import numpy as np

from keras_bsd import _checks, surrogates
from keras_bsd._files import check_zip, expand
from keras_bsd._optional import require
from keras_bsd._types import Config, Function, Model, Path, Shape
from keras_bsd.applications import _presets
from keras_bsd.encoding import OneHotEncoder
from keras_bsd.layers._base import Stage
from keras_bsd.layers._neurons import Neuron, SpikingLIF, SpikingNeurons
from keras_bsd.layers._spiking_cell import SpikingCell
from keras_bsd.layers._standardization import CausalStandardization
from keras_bsd.models._saved_pair import Application, SavedPair
from keras_bsd.models._weights_file import complete

_Builder = TypeVar("_Builder", bound=Function)

_BUILDERS: dict[str, Function] = {}
_OF_BUILDERS = (OneHotEncoder, CausalStandardization)  # in front of the first stage
_NOT_REMEMBERED = ("include_top", "input_tensor", "weights", "name", "kwargs")


class _Known(NamedTuple):
    """What a preset or a file knows of its network: the builder, its arguments, and options of the pair.

    A file of a pair that no builder has made knows the options alone.
    """

    application: str | None
    arguments: Config
    options: Config


def from_weights(builder: _Builder) -> _Builder:
    """Decorate a builder so that its `weights` may be a preset or a file, which provide omitted arguments.

    An argument counts as omitted if the caller does not pass it, or passes None and its default is None. An
    argument that the caller passes must equal the preset's or the file's, even if it equals the builder's
    default. A pair remembers its arguments, and so do the `.keras` files it saves.

    Raises:
        ValueError: (by the builder) `weights` is neither a preset, nor the path of a file, nor None; or the
            preset or file is of another builder or contradicts an argument.
    """
    signature = inspect.signature(builder)
    defaults = {name: parameter.default for name, parameter in signature.parameters.items() if name != "kwargs"}

    @functools.wraps(builder)
    def build(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        passed = bound.arguments
        further = passed.pop("kwargs", {})
        _check_weights(passed.get("weights"))
        known = _known_network(passed.get("weights"))
        if known is not None:
            explicit = {
                name: _presets.comparable(_plain(value))
                for name, value in {**passed, **further}.items()
                if value is not None or name in further or signature.parameters[name].default is not None
            }
            unknown = sorted({*known.arguments} - {*signature.parameters})
            if unknown and known.application == builder.__name__:
                raise ValueError(
                    f"{passed['weights']} must have arguments of {builder.__name__}. "
                    f"Received: {', '.join(unknown)}"
                )
            _check_explicit(passed["weights"], known, builder.__name__, explicit)
            passed |= known.arguments
            further = {**known.options, **further}
        passed = {**defaults, **passed}
        model = builder(**passed, **further)
        if isinstance(model, SavedPair):
            model._application = Application(builder.__name__, _remembered(passed, signature))
        return model

    _BUILDERS[builder.__name__] = build
    return cast(_Builder, build)


def _check_weights(weights):
    if weights is None or _presets.is_preset(weights):
        return
    if not isinstance(weights, str | os.PathLike) or not expand(weights).is_file():
        raise ValueError(
            f"`weights` must be None, a preset ({_presets.quoted_names()}) or the path of a file that "
            f"exists. Received: weights={str(weights)!r}"
        )


def _known_network(weights):
    """Return what a preset or a `.keras` file knows of its network, or None."""
    if weights is None:
        return None
    if _presets.is_preset(weights):
        return _Known(_presets.record(weights)["application"], _presets.arguments(weights), {})
    path = expand(weights)
    if path.suffix != ".keras":
        return None
    with complete(path):
        check_zip(path)
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json")).get("config", {})
    application = config.get("application", {"name": None, "arguments": {}})
    arguments, options = (
        {name: _presets.comparable(value) for name, value in part.items()}
        for part in (
            application["arguments"],
            {name: config[name] for name in ("stimulus_range",) if name in config},
        )
    )
    return _Known(application["name"], arguments, options)


def _check_explicit(weights, known, application, explicit):
    """Raise if a known network is of another application or contradicts `explicit` arguments."""
    # Without its top, a network serves any number of classes; layers in front of it, stimuli of any range.
    ignored = {"classes"} if not explicit.get("include_top", True) else set()
    ignored |= {"stimulus_range"} if "input_tensor" in explicit else set()
    all_known = known.arguments | known.options
    explicit = {name: explicit[name] for name in explicit if name in all_known and name not in ignored}
    if _fits(known, application, explicit):
        return
    if not _presets.is_preset(weights):
        raise ValueError(
            f"{weights} holds {_call(known.application or application, all_known)}. Omit the arguments that "
            f"the file provides, or pass the same. Received: {_call(application, explicit)}"
        )
    fitting = [repr(name) for name in _presets.names() if _fits(_known_network(name), application, explicit)]
    raise ValueError(
        f"Preset {str(weights)!r} is {_call(known.application, known.arguments)}. "
        f"Presets that fit your arguments: {', '.join(fitting) or 'none; train one, or omit the arguments'}. "
        f"Received: {_call(application, explicit)}"
    )


def _fits(known, application, explicit):
    all_known = known.arguments | known.options
    return known.application in (None, application) and all(
        name in all_known and _equal(name, all_known[name], value) for name, value in explicit.items()
    )


def _equal(name, first, second):
    if name != "neuron":
        return first == second
    return _neuron_settings(first) == _neuron_settings(second)


def _neuron_settings(neuron):
    return _neuron_arguments(neuron_factory(neuron)())


def _call(application, arguments):
    return f"{application}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"


def _remembered(passed, signature):
    """Return the arguments that a file needs to build the network again, as JSON can represent them."""
    arguments = {
        name: _plain(value)
        for name, value in passed.items()
        if name not in _NOT_REMEMBERED and (value is not None or signature.parameters[name].default is not None)
    }
    neuron = _neuron_arguments(passed["neuron"])
    if "surrogate" in neuron:
        neuron = {**neuron, "surrogate": surrogates.serialize(surrogates.get(neuron["surrogate"]))}
    return {**arguments, "neuron": {name: _plain(value) for name, value in neuron.items()}}


def _plain(value):
    if isinstance(value, keras.initializers.Initializer):
        return keras.initializers.serialize(value)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def load_weights(model: Model, weights: Path | None) -> Model:
    """Load the verified weights of a preset, or those of a file, into a pair.

    Args:
        model: `keras_bsd.BSDModel`.
        weights: name of a preset, path of its `.json` record, path of a file of weights, or None.

    Returns:
        `model`.

    Raises:
        ValueError: the file is damaged, or its weights are not those of the model.
    """
    if weights is not None:
        path = _presets.weights_path(weights) if _presets.is_preset(weights) else expand(weights)
        # Operations in front of the first stage, other than the builder's, come from the `input_tensor`.
        operations = getattr(model.encoder, "operations", model.encoder.layers)
        model._load_file(path, compare_input=isinstance(operations[1], (Stage, *_OF_BUILDERS)))
    return model


def load_preset(name: Path, compile: bool = False) -> Model:
    """Load a trained model.

    Args:
        name: name of a preset (`list_presets` prints them), path of a preset's `.json` record, path of a
            `.keras` file, or `"hf://user/name"` for a model on the Hugging Face Hub (extra `hub`).
        compile: bool, whether the model of a `.keras` file or from the Hub is compiled as it was saved. Presets
            are not compiled.

    Returns:
        A pair, or the model that the `.keras` file or the Hub has.

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
    if isinstance(name, str) and name.startswith("hf://"):
        require("huggingface_hub", "Loading from the Hugging Face Hub", "hub")
        return keras.saving.load_model(name, compile=compile)
    path = expand(name) if isinstance(name, str | os.PathLike) else pathlib.Path()
    if not path.is_file():
        raise ValueError(
            f"`name` must be a preset ({_presets.quoted_names()}) or the path of a file that exists. "
            f"Received: name={str(name)!r}"
        )
    if path.suffix != ".keras":
        raise ValueError(
            f"The file of a model must end in .keras. Received: {str(name)!r}. A file of weights alone is for "
            "the `weights` of a builder such as `SpikingMLP`."
        )
    with complete(path):
        check_zip(path)
        try:
            return keras.saving.load_model(path, compile=compile)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} must hold a model that can be loaded. Received: {error}") from error


def required(name: str, value: Any) -> Any:
    """Return an argument, or raise if neither the caller nor a preset or file provides it."""
    if value is None:
        raise ValueError(
            f"`{name}` is required unless `weights` is a preset or a `.keras` file. Received: {name}=None. "
            f"Pass it, or a preset: {_presets.quoted_names()}"
        )
    return value


def required_shape(name: str, shape: Any) -> Shape:
    """Return the shape of one sample as a tuple, or raise unless it is a sequence of positive ints."""
    return sizes(name, required(name, shape), "the shape of one sample, such as (28, 28, 1)")


def stage_sizes(name: str, values: Sequence[int]) -> tuple[int, ...]:
    """Return the sizes of a network's stages as a tuple, or raise unless there are some, all positive ints."""
    if not (checked := sizes(name, values)):
        raise ValueError(f"A spiking network needs at least one stage. Received: {name}={values!r}")
    return checked


def sizes(
    name: str, values: Sequence[int], purpose: str = "one for each stage, such as (64,) or (128, 64)"
) -> tuple[int, ...]:
    """Return sizes as a tuple, or raise unless they are positive ints."""
    is_sequence = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str | bytes)
    if not is_sequence or not all(isinstance(size, numbers.Integral) for size in values):
        raise ValueError(
            f"`{name}` must be a sequence of positive ints, {purpose}. Received: {name}={values!r}"
        )
    return tuple(_checks.integer(name, size, low=1) for size in values)


def neuron_factory(neuron: Config | Neuron | None) -> Function:
    """Return a function that makes new neurons.

    Args:
        neuron: dict of `SpikingLIF` arguments; a `SpikingCell` or `SpikingNeurons`, of which copies are made,
            or their serialised form; or None for the defaults of `SpikingLIF`.
    """
    arguments = _neuron_arguments(neuron)
    if "class_name" in arguments:
        return functools.partial(keras.saving.deserialize_keras_object, arguments)
    return functools.partial(SpikingLIF, **arguments)


def _neuron_arguments(neuron):
    """Return neurons as a dict: the arguments of a `SpikingLIF`, or the serialised form of any others."""
    if type(neuron) is SpikingLIF:
        return _own_settings(neuron.get_config())
    if isinstance(neuron, SpikingCell | SpikingNeurons):
        serialized = keras.saving.serialize_keras_object(neuron)
        serialized = {key: value for key, value in serialized.items() if key != "build_config"}
        return {**serialized, "config": _own_settings(serialized["config"])}
    known = [name for name in inspect.signature(SpikingLIF).parameters if name != "kwargs"]
    is_dict = isinstance(neuron, dict | types.NoneType)
    if not is_dict or not (
        "class_name" in (neuron or {}) or {*(neuron or {})} <= {*known, "dtype", "trainable"}
    ):
        raise ValueError(
            f"`neuron` must be a dict of arguments of SpikingLIF ({', '.join(known)}), a SpikingCell or "
            f"SpikingNeurons, or None. Received: neuron={neuron!r}"
        )
    return dict(neuron or {})


def _own_settings(config):
    """Return a configuration without names, which differ between copies, and what layers have by default."""
    config = {key: value for key, value in config.items() if key != "name"}
    if config.get("trainable") is True:
        del config["trainable"]
    if keras.dtype_policies.get(config.get("dtype")) == keras.config.dtype_policy():
        del config["dtype"]
    if "cell" in config:
        config["cell"] = {**config["cell"], "config": _own_settings(config["cell"]["config"])}
    return config
