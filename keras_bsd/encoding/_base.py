"""What the encoders of static inputs share."""

import keras
from keras import ops

from keras_bsd import _checks


def over_time(inputs, timesteps):
    """Repeat `(batch, ...)` along a new time axis: `(batch, time, ...)`."""
    shape = ops.shape(inputs)
    return ops.broadcast_to(ops.expand_dims(inputs, 1), (shape[0], timesteps, *shape[1:]))


class TimeEncoder(keras.layers.Layer):
    """What the encoders of static inputs share: a number of time steps."""

    def __init__(self, timesteps, **kwargs):
        super().__init__(**kwargs)
        self.timesteps = _checks.integer("timesteps", timesteps, low=1)

    def get_config(self):
        return {**super().get_config(), "timesteps": self.timesteps}


class RandomEncoder(TimeEncoder):
    """What the encoders that draw spikes share: a seed."""

    def __init__(self, timesteps, seed=None, **kwargs):
        super().__init__(timesteps, **kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    # Keras saves no generator's state: with it, a loaded model draws on where it left off.
    def save_own_variables(self, store):
        store["seed_state"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store):
        self.seed_generator.state.assign(store["seed_state"])

    def _draw(self, probabilities):
        """Independent spikes per time step, `(batch, ...)` to `(batch, time, ...)`."""
        probabilities = over_time(probabilities, self.timesteps)
        drawn = keras.random.uniform(ops.shape(probabilities), seed=self.seed_generator, dtype="float32")
        return ops.cast(drawn < ops.cast(probabilities, "float32"), self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}
