"""Surrogate gradients: an exact step forward, a chosen derivative backward.

A spike is `1` where the membrane has reached its threshold and `0` elsewhere, so its true
derivative is zero almost everywhere. A surrogate puts a smooth bump in its place, and only there:
the forward value stays exactly `0` or `1` (Neftci, Mostafa & Zenke, "Surrogate Gradient Learning
in Spiking Neural Networks", IEEE Signal Processing Magazine 2019).
"""

import math

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._backend.custom_gradient import custom_gradient


def _step(distance):
    return ops.cast(distance >= 0, distance.dtype)


class Surrogate:
    """Base class: subclass it and define `derivative` to add a surrogate.

    Calling a surrogate with `distance = membrane - threshold` gives the spikes.

    Args:
        slope: positive float, the steepness of the derivative in units of one over the membrane.

    Example:

    >>> spike = keras_bsd.surrogates.Atan(slope=2.0)
    >>> spike(keras.ops.array([-0.1, 0.0, 0.3]))   # 0, 1, 1
    """

    def __init__(self, slope):
        self.slope = _checks.real("slope", slope, low=0.0, low_open=True)

    def derivative(self, distance):
        """What stands in for d spike / d membrane, elementwise over `membrane - threshold`."""
        raise NotImplementedError

    def __call__(self, distance):
        spike = custom_gradient(_step, self._backward)
        return spike(ops.convert_to_tensor(distance))

    def _backward(self, upstream, distance):
        return upstream * ops.cast(self.derivative(distance), upstream.dtype)

    def get_config(self):
        return {"slope": self.slope}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("keras_bsd")
class Atan(Surrogate):
    """Derivative `(a / 2) / (1 + (pi / 2 * a * x)^2)` with `a = slope` (Fang et al., ICCV 2021)."""

    def __init__(self, slope=2.0):
        super().__init__(slope)

    def derivative(self, distance):
        return (self.slope / 2) / (1 + ops.square(math.pi / 2 * self.slope * distance))


@keras.saving.register_keras_serializable("keras_bsd")
class Sigmoid(Surrogate):
    """Derivative `a s(ax) (1 - s(ax))` with `s` the logistic function and `a = slope`."""

    def __init__(self, slope=4.0):
        super().__init__(slope)

    def derivative(self, distance):
        probability = ops.sigmoid(self.slope * distance)
        return self.slope * probability * (1 - probability)


@keras.saving.register_keras_serializable("keras_bsd")
class FastSigmoid(Surrogate):
    """Derivative `1 / (1 + a |x|)^2` with `a = slope` (Zenke & Ganguli, SuperSpike, 2018)."""

    def __init__(self, slope=10.0):
        super().__init__(slope)

    def derivative(self, distance):
        return 1 / ops.square(1 + self.slope * ops.abs(distance))


@keras.saving.register_keras_serializable("keras_bsd")
class Triangular(Surrogate):
    """Derivative `a max(0, 1 - a |x|)` with `a = slope` (Bellec et al., NeurIPS 2018)."""

    def __init__(self, slope=1.0):
        super().__init__(slope)

    def derivative(self, distance):
        return self.slope * ops.relu(1 - self.slope * ops.abs(distance))


@keras.saving.register_keras_serializable("keras_bsd")
class Rectangular(Surrogate):
    """Derivative `a` where `|x| < 1 / (2 a)`, else `0`, with `a = slope` (Wu et al., STBP, 2018)."""

    def __init__(self, slope=1.0):
        super().__init__(slope)

    def derivative(self, distance):
        return self.slope * ops.cast(ops.abs(distance) < 0.5 / self.slope, distance.dtype)


@keras.saving.register_keras_serializable("keras_bsd")
class StraightThrough(Surrogate):
    """Derivative `1` everywhere (Bengio, Léonard & Courville, 2013)."""

    def __init__(self):
        super().__init__(slope=1.0)

    def derivative(self, distance):
        return ops.ones_like(distance)

    def get_config(self):
        return {}


@keras.saving.register_keras_serializable("keras_bsd")
class CustomSurrogate(Surrogate):
    """A user's own derivative: any function of `membrane - threshold` written with `keras.ops`.

    Register the function with `keras.saving.register_keras_serializable` to save models with it.
    """

    def __init__(self, function):
        super().__init__(slope=1.0)
        self.function = function

    def derivative(self, distance):
        return self.function(distance)

    def get_config(self):
        return {"function": keras.saving.serialize_keras_object(self.function)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["function"]))


_BY_NAME = {
    "atan": Atan,
    "sigmoid": Sigmoid,
    "fast_sigmoid": FastSigmoid,
    "triangular": Triangular,
    "rectangular": Rectangular,
    "straight_through": StraightThrough,
}


def get(identifier):
    """Return a `Surrogate` for a name, a `Surrogate`, its config, or a derivative function.

    Raises:
        ValueError: the name is unknown, or the object is none of these.
    """
    if isinstance(identifier, Surrogate):
        return identifier
    if isinstance(identifier, dict):
        return get(keras.saving.deserialize_keras_object(identifier))
    if callable(identifier):
        return CustomSurrogate(identifier)
    return _BY_NAME[_checks.one_of("surrogate", identifier, tuple(_BY_NAME))]()


def serialize(surrogate):
    """Return the config from which `get` restores `surrogate`."""
    return keras.saving.serialize_keras_object(surrogate)
