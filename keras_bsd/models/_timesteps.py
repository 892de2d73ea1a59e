"""The same network with another number of timesteps."""

import keras

from keras_bsd import _checks
from keras_bsd._types import Model
from keras_bsd.layers._stage import SpikingStage


def with_timesteps(model: Model, timesteps: int) -> Model:
    """Return a copy of a network, weights included, that holds its stimulus for another number of timesteps.

    Args:
        model: an encoder or a decoder: Sequential or functional `keras.Model` of stages.
        timesteps: positive int.

    Returns:
        `keras.Model` with variables of its own.

    Raises:
        ValueError: no stage of the model takes a stimulus, or `timesteps` is out of range.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6), timesteps=4)
    >>> faster = keras_bsd.with_timesteps(model.encoder, timesteps=2)
    >>> keras_bsd.layers.flatten_stages(faster)[0].output.shape
    (None, 2, 8)
    """
    _checks.integer("timesteps", timesteps, low=1)
    held = []

    def copy(layer):
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
    copied.set_weights(model.get_weights())
    return copied
