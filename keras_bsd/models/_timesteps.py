"""The same network with another number of timesteps."""

import dataclasses
import pathlib
import tempfile

import keras

from keras_bsd import _checks
from keras_bsd._types import Model
from keras_bsd.layers._stage import SpikingStage, flatten_stages
from keras_bsd.models._saved_pair import SavedPair
from keras_bsd.models._structure import check_built


def with_timesteps(model: Model, timesteps: int) -> Model:
    """Return a copy of a network, weights included, that holds its stimulus for another number of timesteps.

    Args:
        model: an encoder or a decoder, a Sequential or functional `keras.Model` of stages; or a pair, of which
            both networks are copied.
        timesteps: positive int.

    Returns:
        `keras.Model` with variables of its own, not compiled.

    Raises:
        ValueError: the model is not built, no stage of it takes a stimulus, or `timesteps` is out of range.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6), timesteps=4)
    >>> faster = keras_bsd.with_timesteps(model.encoder, timesteps=2)
    >>> keras_bsd.layers.flatten_stages(faster)[0].output.shape
    (None, 2, 8)
    """
    _checks.integer("timesteps", timesteps, low=1)
    if isinstance(model, SavedPair):
        return _pair_with_timesteps(model, timesteps)
    check_built(model, "model")
    held = []

    def copy(layer):
        if isinstance(layer, keras.Model) and flatten_stages(layer):
            raise ValueError(
                "`model` and the models in it must be Sequential or functional to be copied. Received: "
                f"'{layer.name}' of {type(layer)}. Build that part by keras.Model(inputs, outputs)."
            )
        config = layer.get_config()
        if isinstance(layer, SpikingStage) and layer.timesteps is not None:
            held.append(layer)
            config["timesteps"] = timesteps
        return layer.__class__.from_config(config)

    copied = keras.models.clone_model(model, clone_function=copy, recursive=True)
    if not held:
        raise ValueError(
            f"No stage of {model.name!r} holds a stimulus: its inputs have a time axis, and their number of "
            f"timesteps is that of the encoding. Received: timesteps={timesteps}"
        )
    _copy_weights(model, copied)
    return copied


def _copy_weights(source, target):
    """Copy weights by their places: their order is another where layers have been quantised."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "copied.weights.h5")
        keras.Model.save_weights(source, path)
        keras.Model.load_weights(target, path)


def _pair_with_timesteps(pair, timesteps):
    roles = [role for role in ("encoder", "decoder") if hasattr(pair, role)]
    networks = {role: with_timesteps(getattr(pair, role), timesteps) for role in roles}
    serialized = {role: keras.saving.serialize_keras_object(network) for role, network in networks.items()}
    copied = pair.__class__.from_config({**pair.get_config(), **serialized})
    _copy_weights(pair, copied)
    if copied._application is not None:
        arguments = {**copied._application.arguments, "timesteps": timesteps}
        copied._application = dataclasses.replace(copied._application, arguments=arguments)
    return copied
