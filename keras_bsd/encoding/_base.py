"""Base classes of the encoders of static inputs."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks
from keras_bsd._backend import concrete
from keras_bsd._types import Config


def repeat_over_time(inputs, timesteps):
    """Return `(batch, ...)` repeated along a new time axis, `(batch, time, ...)`."""
    shape = ops.shape(inputs)
    return ops.broadcast_to(ops.expand_dims(inputs, 1), (shape[0], timesteps, *shape[1:]))


def check_ids(name: str, ids: Any, count: int) -> None:
    """Raise unless ids, if their values are known, are whole numbers in `[0, count - 1]`.

    Args:
        name: what the ids are, for errors.
        ids: tensor or array; in a traced function it has no values, and is not checked.
        count: int.
    """
    values = ids if isinstance(ids, np.ndarray) else None
    if values is None and not keras.utils.is_keras_tensor(ids):
        values = concrete(ids)
    if values is None or not values.size:
        return
    if values.dtype.name == "bfloat16":  # no number to NumPy: its kind is "V"
        values = values.astype("float32")
    if values.dtype.kind not in "buif" or not np.array_equal(values, np.round(values)):
        raise ValueError(f"{name} must be whole numbers. Received: {values.dtype} such as {values.flat[0]}")
    if not (values.min() >= 0 and values.max() < count):
        raise ValueError(f"{name} must lie in [0, {count - 1}]. Received: {values.min():g} to {values.max():g}")


class TimeEncoder(keras.layers.Layer):
    """Base class of encoders that create a time axis."""

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
