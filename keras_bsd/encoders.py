"""From stimuli, classes and continuous targets to what a spiking network takes in."""

import keras
from keras import ops

from keras_bsd import checks


def _over_time(inputs, timesteps):
    """Repeat `(batch, ...)` along a new time axis: `(batch, time, ...)`."""
    shape = ops.shape(inputs)
    return ops.broadcast_to(ops.expand_dims(inputs, 1), (shape[0], timesteps, *shape[1:]))


class _TimeEncoder(keras.layers.Layer):
    """What the encoders of static inputs share: a number of time steps."""

    def __init__(self, timesteps, **kwargs):
        super().__init__(**kwargs)
        self.timesteps = checks.integer("timesteps", timesteps, low=1)

    def get_config(self):
        return {**super().get_config(), "timesteps": self.timesteps}


class _RandomEncoder(_TimeEncoder):
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
        probabilities = _over_time(probabilities, self.timesteps)
        drawn = keras.random.uniform(ops.shape(probabilities), seed=self.seed_generator, dtype="float32")
        return ops.cast(drawn < ops.cast(probabilities, "float32"), self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable("keras_bsd")
class DirectEncoder(_TimeEncoder):
    """The stimulus itself, as a current held over all time steps.

    Where it feeds a stage, `SpikingDense(..., timesteps=T)` computes the same at the price of one
    product instead of `T`.

    Args:
        timesteps: positive int.

    Call arguments:
        inputs: `(batch, ...)`, any units. Gives `(batch, time, ...)`.

    Example:

    >>> keras_bsd.encoders.DirectEncoder(timesteps=4)(keras.ops.ones((2, 3))).shape
    (2, 4, 3)
    """

    def call(self, inputs):
        return _over_time(inputs, self.timesteps)


@keras.saving.register_keras_serializable("keras_bsd")
class PoissonEncoder(_RandomEncoder):
    """Random spikes whose probability per time step is the stimulus's intensity.

    Args:
        timesteps: positive int.
        gain: positive float; an input of `1 / gain` spikes at every time step.
        seed: int for reproducible spikes. The generator's state is saved with the model.

    Call arguments:
        inputs: intensities `(batch, ...)` in [0, 1 / gain]. Gives spikes `(batch, time, ...)`.

    Example:

    >>> keras_bsd.encoders.PoissonEncoder(timesteps=8, seed=0)(keras.ops.full((1, 3), 0.5)).shape
    (1, 8, 3)
    """

    def __init__(self, timesteps, gain=1.0, seed=None, **kwargs):
        super().__init__(timesteps, seed, **kwargs)
        self.gain = checks.real("gain", gain, low=0.0, low_open=True)

    def call(self, inputs):
        return self._draw(self.gain * inputs)

    def get_config(self):
        return {**super().get_config(), "gain": self.gain}


@keras.saving.register_keras_serializable("keras_bsd")
class RegularEncoder(_TimeEncoder):
    """Evenly spaced spikes, as many as the firing rate says, rounded down.

    The `k`-th spike falls on the time step by whose end `k` spikes are due.

    Args:
        timesteps: positive int.

    Call arguments:
        inputs: firing rates `(batch, ...)` in [0, 1], spikes per time step. Gives spikes
            `(batch, time, ...)`.

    Example:

    >>> keras_bsd.encoders.RegularEncoder(timesteps=4)(keras.ops.array([[1.0, 0.5, 0.25]]))[0]
    # [[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 1]]
    """

    def call(self, inputs):
        shape = (-1,) + (1,) * (len(inputs.shape) - 1)
        steps = ops.reshape(ops.arange(self.timesteps + 1, dtype="float32"), shape)
        due = ops.expand_dims(ops.cast(inputs, "float32"), 1) * steps
        due = ops.floor(due + 1e-4)  # a rate of one third is due its spike at the third step
        return ops.cast(due[:, 1:] > due[:, :-1], self.compute_dtype)


@keras.saving.register_keras_serializable("keras_bsd")
class LatencyEncoder(_TimeEncoder):
    """One spike per input, the earlier the stronger; inputs up to `silence` never spike.

    The spike falls on time step `round((1 - x) (T - 1))`, counted from zero.

    Args:
        timesteps: positive int.
        silence: float in [0, 1), the intensity up to which an input stays silent.

    Call arguments:
        inputs: intensities `(batch, ...)` in [0, 1]. Gives spikes `(batch, time, ...)`.

    Example:

    >>> keras_bsd.encoders.LatencyEncoder(timesteps=3)(keras.ops.array([[1.0, 0.5, 0.0]]))[0]
    # [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    """

    def __init__(self, timesteps, silence=0.0, **kwargs):
        super().__init__(timesteps, **kwargs)
        self.silence = checks.real("silence", silence, low=0.0, high=1.0, high_open=True)

    def call(self, inputs):
        latency = ops.round((1 - ops.clip(inputs, 0.0, 1.0)) * (self.timesteps - 1))
        latency = ops.where(inputs > self.silence, latency, -ops.ones_like(latency))
        spikes = ops.one_hot(ops.cast(latency, "int32"), self.timesteps, dtype=self.compute_dtype)
        return ops.moveaxis(spikes, -1, 1)

    def get_config(self):
        return {**super().get_config(), "silence": self.silence}


@keras.saving.register_keras_serializable("keras_bsd")
class DeltaEncoder(keras.layers.Layer):
    """Spikes where a signal has risen by at least `threshold` since the step before.

    The first time step is compared with zero.

    Args:
        threshold: positive float in the signal's units.
        off_spikes: give falls of at least `threshold` too, as further channels of the last axis.

    Call arguments:
        inputs: signals `(batch, time, ..., channels)`. Gives spikes of the same shape, with
            `2 * channels` if `off_spikes`.

    Example:

    >>> keras_bsd.encoders.DeltaEncoder(0.5)(keras.ops.array([[[0.0], [1.0], [1.2]]]))[0, :, 0]
    # [0, 1, 0]
    """

    def __init__(self, threshold=0.1, off_spikes=False, **kwargs):
        super().__init__(**kwargs)
        self.threshold = checks.real("threshold", threshold, low=0.0, low_open=True)
        self.off_spikes = off_spikes

    def call(self, inputs):
        checks.has_time_axis(self.__class__.__name__, inputs.shape)
        before = ops.concatenate([ops.zeros_like(inputs[:, :1]), inputs[:, :-1]], axis=1)
        change = inputs - before
        if self.off_spikes:
            change = ops.concatenate([change, -change], axis=-1)
        return ops.cast(change >= self.threshold, self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold, "off_spikes": self.off_spikes}


@keras.saving.register_keras_serializable("keras_bsd")
class ClassEncoder(_RandomEncoder):
    """A class as a spike train: its own group of neurons speaks, the others are silent.

    Args:
        classes: int, at least 2.
        timesteps: positive int.
        code: `"constant"` (one neuron a class, a spike at every step), `"poisson"` (one neuron a
            class, random spikes) or `"population"` (`units_per_class` neurons a class, random spikes).
        rate: float in (0, 1], spikes per time step of the speaking neurons, if they are random.
        units_per_class: positive int, for `"population"`.
        seed: int for reproducible spikes.

    Call arguments:
        inputs: class numbers `(batch,)` or probabilities `(batch, classes)`. Gives spikes
            `(batch, time, classes * units_per_class)`.

    Example:

    >>> keras_bsd.encoders.ClassEncoder(10, timesteps=4)(keras.ops.array([3, 7])).shape
    (2, 4, 10)
    """

    CODES = ("constant", "poisson", "population")

    def __init__(self, classes, timesteps, code="constant", rate=0.8, units_per_class=8, seed=None, **kwargs):
        super().__init__(timesteps, seed, **kwargs)
        self.classes = checks.integer("classes", classes, low=2)
        self.code = checks.one_of("code", code, self.CODES)
        self.rate = checks.real("rate", rate, low=0.0, low_open=True, high=1.0)
        self.units_per_class = checks.integer("units_per_class", units_per_class, low=1)

    def call(self, inputs):
        one_hot = inputs
        if len(inputs.shape) == 1:
            one_hot = ops.one_hot(ops.cast(inputs, "int32"), self.classes, dtype=self.compute_dtype)
        if self.code == "constant":
            return _over_time(one_hot, self.timesteps)
        if self.code == "population":
            one_hot = ops.repeat(one_hot, self.units_per_class, axis=-1)
        return self._draw(self.rate * one_hot)

    def get_config(self):
        return {
            **super().get_config(),
            "classes": self.classes,
            "code": self.code,
            "rate": self.rate,
            "units_per_class": self.units_per_class,
        }


@keras.saving.register_keras_serializable("keras_bsd")
class OneHotEncoder(keras.layers.Layer):
    """The elements of a sequence of classes, such as the characters of a text, as one-hot vectors.

    Args:
        classes: int, at least 2.

    Call arguments:
        inputs: class numbers `(batch, elements)`. Gives `(batch, elements, classes)`.

    Example:

    >>> keras_bsd.encoders.OneHotEncoder(5)(keras.ops.array([[3, 0]])).shape
    (1, 2, 5)
    """

    def __init__(self, classes, **kwargs):
        super().__init__(**kwargs)
        self.classes = checks.integer("classes", classes, low=2)

    def call(self, inputs):
        return ops.one_hot(ops.cast(inputs, "int32"), self.classes, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "classes": self.classes}


@keras.saving.register_keras_serializable("keras_bsd")
class PopulationEncoder(_RandomEncoder):
    """Continuous values as spikes of neurons with overlapping Gaussian tuning curves.

    Each value has `units` neurons whose preferred values lie evenly in `[low, high]`; a neuron's
    spike probability per time step falls off with the distance, one spacing being one deviation.
    To give values as they are, as held currents, take `DirectEncoder`.

    Args:
        units: int, neurons a value, at least 2.
        timesteps: positive int.
        low, high: floats, the range of the values.
        seed: int for reproducible spikes.

    Call arguments:
        inputs: values `(batch, values)`. Gives spikes `(batch, time, values * units)`.

    Example:

    >>> keras_bsd.encoders.PopulationEncoder(6, timesteps=4)(keras.ops.array([[0.2, 0.9]])).shape
    (1, 4, 12)
    """

    def __init__(self, units, timesteps, low=0.0, high=1.0, seed=None, **kwargs):
        super().__init__(timesteps, seed, **kwargs)
        self.units = checks.integer("units", units, low=2)
        self.low = checks.real("low", low)
        self.high = checks.real("high", high, low=self.low, low_open=True)

    def call(self, inputs):
        preferred = ops.linspace(self.low, self.high, self.units, dtype=inputs.dtype)
        spacing = (self.high - self.low) / (self.units - 1)
        distance = (ops.expand_dims(inputs, -1) - preferred) / spacing
        response = ops.exp(-0.5 * ops.square(distance))
        return self._draw(ops.reshape(response, (-1, inputs.shape[-1] * self.units)))

    def get_config(self):
        return {**super().get_config(), "units": self.units, "low": self.low, "high": self.high}
