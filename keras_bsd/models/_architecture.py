"""Settings of a saved pair's networks, and how those of two pairs differ."""

import math
from collections.abc import Iterator
from typing import Any

from keras_bsd._types import Config

# Of a pair, besides its two networks.
_OF_PAIR = ("task", "latent", "concepts", "components", "alphabet")
_OF_RULE = ("temperature",)  # what its other weights follow from
# What does not change what a network computes, or follows from the rest.
_IGNORED = {
    "activity_regularizer",
    "build_config",
    "dtype",
    "input_layers",
    "inbound_nodes",
    "momentum",
    "module",
    "name",
    "output_layers",
    "quantization_config",
    "quantized",
    "seed",
    "shared_object_id",
    "trainable",
}
_IGNORED_ENDINGS = ("_initializer", "_regularizer", "_constraint")
_KIND = "class"
_STAGE = {"synapse", "neuron"}  # one of these is in every stage's configuration
INPUT = "input"  # the place of the layers in front of the first stage
_QUANTIZATION = {"encoder": "encoder.quantization", "decoder": "decoder.quantization"}


def settings(serialized: Config) -> Config:
    """Return the settings of a serialised pair, or encoder alone, by their places: `encoder.0.timesteps`.

    Raises:
        ValueError: the object has no encoder.
    """
    config = serialized.get("config", {})
    if not isinstance(config, dict) or "encoder" not in config:
        raise ValueError(f"a pair has an encoder and a decoder, {serialized.get('class_name')} has not")
    found = {key: config[key] for key in _OF_PAIR if key in config}
    if "decoder" not in config:  # a rival rule, whose other weights have another meaning
        found[f"rule.{_KIND}"] = serialized.get("registered_name")
        found |= {f"rule.{key}": config[key] for key in _OF_RULE if key in config}
    for role in ("encoder", "decoder") if "decoder" in config else ("encoder",):
        layers = config[role]["config"]["layers"]
        front = next((i for i, layer in enumerate(layers) if _STAGE & set(layer["config"])), 0)
        found.update(_flatten(f"{role}.{INPUT}", layers[:front]))
        found.update(_flatten(role, layers[front:]))
        found[_QUANTIZATION[role]] = ", ".join(sorted({*_modes(layers)})) or None
    return found


def _modes(value: Any) -> Iterator[str]:
    """Yield the modes of quantisation in a part of a configuration, as `quantized_layers` records them."""
    if isinstance(value, dict):
        for policy in value.get("quantized", {}).values():
            yield policy["dtype"]["config"]["mode"]
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        yield from _modes(inner)


def without_input(found: Config) -> Config:
    """Return settings without those of the layers in front of the encoder's first stage."""
    return {place: value for place, value in found.items() if not place.startswith(f"encoder.{INPUT}.")}


def are_quantized_alike(first: Config, second: Config) -> bool:
    """Return whether two networks are quantised in the same modes, as far as their settings say."""
    return not any(
        first[place] != second[place] for place in _QUANTIZATION.values() if place in first and place in second
    )


def _flatten(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the place and value of every setting in a part of a configuration."""
    if isinstance(value, dict) and {"class_name", "config"} <= set(value):
        yield f"{place}.{_KIND}", value.get("registered_name") or value["class_name"]
        value = value["config"]
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _IGNORED and not key.endswith(_IGNORED_ENDINGS):
                yield from _flatten(f"{place}.{key}", inner)
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for i, inner in enumerate(value):
            yield from _flatten(f"{place}.{i}", inner)
    else:
        yield place, value


def differences(saved: Config, present: Config) -> list[str]:
    """Return how settings in a file differ from those of a model, one line each.

    A setting that only one of the two has, such as one that an earlier version did not save, is no difference,
    unless a whole layer is missing.
    """
    lines: list[str] = []
    alone: list[str] = []
    for place in {**present, **saved}:
        if place in saved and place in present:
            if not _equal(place, saved[place], present[place]):
                lines.append(f"{place} is {saved[place]!r} in the file and {present[place]!r} in the model")
        elif _is_layer(place) and not place.startswith(tuple(alone)):
            alone.append(place.removesuffix(_KIND))
            where = "file" if place in saved else "model"
            kind = saved.get(place, present.get(place))
            lines.append(f"{alone[-1].rstrip('.')} ({kind}) is in the {where} alone")
    return lines


def _is_layer(place):
    position, _, key = place.rpartition(".")
    return key == _KIND and position.rpartition(".")[-1].isdigit()


def _equal(place, first, second):
    if place.endswith("shape") and isinstance(first, list) and isinstance(second, list):
        axes = zip(first[1:], second[1:], strict=False)  # None is any length
        return len(first) == len(second) and all(a == b or None in (a, b) for a, b in axes)
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=1e-6)
    return first == second
