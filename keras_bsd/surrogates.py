"""Surrogate gradients: an exact step forward, a chosen derivative backward.

A spike is `1` where the membrane has reached its threshold and `0` elsewhere, so its true derivative is zero
almost everywhere. A surrogate replaces that derivative by a smooth bump. The forward value stays exactly `0` or
`1` (Neftci, Mostafa & Zenke, "Surrogate Gradient Learning in Spiking Neural Networks", IEEE Signal Processing
Magazine 2019).
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._backend.custom_gradient import custom_gradient
from keras_bsd._types import Config, Function, Tensor


def _step(distance):
    return ops.cast(distance >= 0, distance.dtype)


class Surrogate:
    """Base class of surrogates; a subclass defines `derivative`.

    A surrogate is called with `distance = membrane - threshold` and returns spikes.

    Args:
        slope: positive float, the steepness of the derivative in units of one over the membrane.

    Raises:
        ValueError: `slope` is out of range.

    Example:

    >>> @keras.saving.register_keras_serializable("my_package")
    ... class Gaussian(keras_bsd.surrogates.Surrogate):
    ...     def derivative(self, distance):
    ...         return ops.exp(-ops.square(self.slope * distance))
    >>> spikes = Gaussian(slope=2.0)(ops.array([-0.1, 0.0, 0.3]))
    >>> ops.convert_to_numpy(spikes).tolist()
    [0.0, 1.0, 1.0]
    """

    def __init__(self, slope: float) -> None:
        self.slope = _checks.real("slope", slope, low=0.0, low_open=True)

    def derivative(self, distance: Tensor) -> Tensor:
        """Return the surrogate of d spike / d membrane, elementwise, for `distance = membrane - threshold`."""
        raise NotImplementedError

    def spikes(self, distance: Tensor) -> Tensor:
        """Return the spikes of a call, through which no gradient passes."""
        return _step(distance)

    def __call__(self, distance: Tensor) -> Tensor:
        spike = custom_gradient(_step, self._backward)
        return spike(ops.convert_to_tensor(distance))

    def _backward(self, upstream, distance):
        return upstream * ops.cast(self.derivative(distance), upstream.dtype)

    def get_config(self) -> Config:
        return {"slope": self.slope}

    @classmethod
    def from_config(cls, config: Config) -> Surrogate:
        return cls(**config)


@keras.saving.register_keras_serializable("keras_bsd")
class Atan(Surrogate):
    """Derivative `(a / 2) / (1 + (pi / 2 * a * x)^2)` with `a = slope` (Fang et al., ICCV 2021)."""

    def __init__(self, slope: float = 2.0) -> None:
        super().__init__(slope)

    def derivative(self, distance: Tensor) -> Tensor:
        return (self.slope / 2) / (1 + ops.square(math.pi / 2 * self.slope * distance))


@keras.saving.register_keras_serializable("keras_bsd")
class Sigmoid(Surrogate):
    """Derivative `a s(ax) (1 - s(ax))` with `s` the logistic function and `a = slope`."""

    def __init__(self, slope: float = 4.0) -> None:
        super().__init__(slope)

    def derivative(self, distance: Tensor) -> Tensor:
        probability = ops.sigmoid(self.slope * distance)
        return self.slope * probability * (1 - probability)


@keras.saving.register_keras_serializable("keras_bsd")
class FastSigmoid(Surrogate):
    """Derivative `1 / (1 + a |x|)^2` with `a = slope` (Zenke & Ganguli, SuperSpike, 2018)."""

    def __init__(self, slope: float = 10.0) -> None:
        super().__init__(slope)

    def derivative(self, distance: Tensor) -> Tensor:
        return 1 / ops.square(1 + self.slope * ops.abs(distance))


@keras.saving.register_keras_serializable("keras_bsd")
class Triangular(Surrogate):
    """Derivative `a max(0, 1 - a |x|)` with `a = slope` (Bellec et al., NeurIPS 2018)."""

    def __init__(self, slope: float = 1.0) -> None:
        super().__init__(slope)

    def derivative(self, distance: Tensor) -> Tensor:
        return self.slope * ops.relu(1 - self.slope * ops.abs(distance))


@keras.saving.register_keras_serializable("keras_bsd")
class Rectangular(Surrogate):
    """Derivative `a` where `|x| < 1 / (2 a)`, else `0`, with `a = slope` (Wu et al., STBP, 2018)."""

    def __init__(self, slope: float = 1.0) -> None:
        super().__init__(slope)

    def derivative(self, distance: Tensor) -> Tensor:
        return self.slope * ops.cast(ops.abs(distance) < 0.5 / self.slope, distance.dtype)


@keras.saving.register_keras_serializable("keras_bsd")
class StraightThrough(Surrogate):
    """Derivative `1` everywhere (Bengio, Léonard & Courville, 2013)."""

    def __init__(self) -> None:
        super().__init__(slope=1.0)

    def derivative(self, distance: Tensor) -> Tensor:
        return ops.ones_like(distance)

    def get_config(self) -> Config:
        return {}


@keras.saving.register_keras_serializable("keras_bsd")
class CustomSurrogate(Surrogate):
    """Derivative by a function of the user.

    Args:
        function: function of `membrane - threshold`, written with `keras.ops`. Register it with
            `keras.saving.register_keras_serializable` to save models with it.

    Example:

    >>> neurons = keras_bsd.layers.SpikingLIF(surrogate=lambda distance: ops.exp(-ops.square(distance)))
    >>> type(neurons.cell.surrogate).__name__
    'CustomSurrogate'
    """

    def __init__(self, function: Function) -> None:
        super().__init__(slope=1.0)
        self.function = function

    def derivative(self, distance: Tensor) -> Tensor:
        return self.function(distance)

    def get_config(self) -> Config:
        return {"function": keras.saving.serialize_keras_object(self.function)}

    @classmethod
    def from_config(cls, config: Config) -> CustomSurrogate:
        return cls(keras.saving.deserialize_keras_object(config["function"]))


_BY_NAME: dict[str, Any] = {
    "atan": Atan,
    "sigmoid": Sigmoid,
    "fast_sigmoid": FastSigmoid,
    "triangular": Triangular,
    "rectangular": Rectangular,
    "straight_through": StraightThrough,
}
_BY_NAME |= {kind.__name__: kind for kind in _BY_NAME.values()}


def get(identifier: str | Surrogate | type[Surrogate] | Config | Function) -> Surrogate:
    """Return the `Surrogate` of an identifier.

    Args:
        identifier: a name (`"atan"`, `"sigmoid"`, `"fast_sigmoid"`, `"triangular"`, `"rectangular"`,
            `"straight_through"`) or the class of that name, a `Surrogate`, the config of one, or a function
            that returns the derivative.

    Raises:
        ValueError: the name is unknown, or `identifier` is none of these.

    Example:

    >>> keras_bsd.surrogates.get("atan").get_config()
    {'slope': 2.0}
    """
    if isinstance(identifier, Surrogate):
        return identifier
    if isinstance(identifier, dict):
        return get(keras.saving.deserialize_keras_object(identifier))
    names = [name for name in _BY_NAME if name.islower()]  # those of classes are accepted too
    if isinstance(identifier, str):
        return _BY_NAME[
            identifier if identifier in _BY_NAME else _checks.one_of("surrogate", identifier, names)
        ]()
    if inspect.isclass(identifier) and identifier in _BY_NAME.values():
        return _BY_NAME[identifier.__name__]()
    if callable(identifier) and not inspect.isclass(identifier):
        return CustomSurrogate(identifier)
    raise ValueError(
        f"`surrogate` must be one of {', '.join(map(repr, names))}, a keras_bsd.surrogates.Surrogate or a "
        f"function of membrane - threshold. Received: surrogate={identifier!r}"
        f"{'. Pass an instance of this class' if inspect.isclass(identifier) else ''}"
    )


def serialize(surrogate: Surrogate) -> Config:
    """Return the config of a surrogate, from which `get` restores it."""
    return keras.saving.serialize_keras_object(surrogate)
