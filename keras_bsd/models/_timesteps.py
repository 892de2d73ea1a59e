"""The same network for another number of time steps."""

import keras

from keras_bsd import _checks
from keras_bsd.layers._stage import SpikingStage


def with_timesteps(model, timesteps):
    """A copy of a network, its weights included, whose stimulus is held for another number of steps.

    Args:
        model: an encoder or a decoder: Sequential or functional `keras.Model` of stages.
        timesteps: positive int.

    Returns:
        A `keras.Model` with variables of its own.

    Raises:
        ValueError: no stage of the model takes a stimulus, or `timesteps` is out of range.

    Example:

    >>> quick = keras_bsd.with_timesteps(model.encoder, timesteps=2)
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
        raise ValueError(f"No stage of {model.name!r} holds a stimulus: its inputs bring their time steps.")
    copied.set_weights(model.get_weights())
    return copied
