"""Base classes of the encoders of static inputs."""

from typing import Any

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._arrays import check_finite, check_ids, known_values, lie_within
from keras_bsd._types import Config


def repeat_over_time(inputs, timesteps):
    """Return `(batch, ...)` repeated along a new time axis, `(batch, time, ...)`."""
    shape = ops.shape(inputs)
    return ops.broadcast_to(ops.expand_dims(inputs, 1), (shape[0], timesteps, *shape[1:]))


def check_known_ids(name: str, ids: Any, count: int) -> None:
    """Raise unless ids, if their values are known, are integers in `[0, count - 1]`.

    Args:
        name: what the ids are, for errors.
        ids: tensor or array.
        count: int.
    """
    if (values := known_values(ids)) is not None:
        check_ids(name, values, count)


def check_known_values(layer: keras.layers.Layer, inputs: Any, low: float, high: float) -> None:
    """Raise unless inputs of a layer, if their values are known, are finite and lie in `[low, high]`."""
    if (values := known_values(inputs)) is None:
        return
    least, greatest = check_finite("inputs", values)
    if least is not None and greatest is not None and not lie_within(least, greatest, low, high):
        raise ValueError(
            f"`inputs` of {layer.__class__.__name__} must lie in [{low:g}, {high:g}]. Received: values from "
            f"{least:g} to {greatest:g}. Scale or clip them first."
        )


class TimeEncoder(keras.layers.Layer):
    """Base class of encoders that create a time axis.

    Subclasses check what they encode where its values are known. In a traced function, such as that of
    `predict`, NaN has no spike, and values out of range encode as the nearest in range or have no spikes.
    """

    def __init__(self, timesteps: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.timesteps = _checks.integer("timesteps", timesteps, low=1)

    def get_config(self) -> Config:
        return {**super().get_config(), "timesteps": self.timesteps}


class RandomEncoder(TimeEncoder):
    """Base class of encoders that draw random spikes."""

    def __init__(self, timesteps: int, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(timesteps, **kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    # Keras does not save the state of generators: with it, a loaded model continues the same random sequence.
    def save_own_variables(self, store: Any) -> None:
        store["seed_state"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store: Any) -> None:
        self.seed_generator.state.assign(store["seed_state"])

    def _draw(self, probabilities):
        """Return independent spikes for each time step, from `(batch, ...)` to `(batch, time, ...)`."""
        probabilities = repeat_over_time(probabilities, self.timesteps)
        uniform = keras.random.uniform(ops.shape(probabilities), seed=self.seed_generator, dtype="float32")
        return ops.cast(uniform < ops.cast(probabilities, "float32"), self.compute_dtype)

    def get_config(self) -> Config:
        return {**super().get_config(), "seed": self.seed}
