"""Recurrent encoders on a live stream, one element at a time."""

import keras
import numpy as np

from keras_bsd import _checks
from keras_bsd._arrays import as_numbers
from keras_bsd._state_scope import StateScope
from keras_bsd._types import Array, ArrayLike, Model
from keras_bsd.encoding import OneHotEncoder
from keras_bsd.layers._readout import SequenceReadout
from keras_bsd.layers._stage import flatten_stages
from keras_bsd.models._structure import check_built


class Streamer:
    """A recurrent encoder that takes one element at a time and carries its state to the next.

    After the same elements its output equals the encoder's output for the whole sequence. It shares the
    encoder's weights.

    Args:
        encoder: a pair, or its encoder: Keras model of sequences `(batch, elements, ...)`, each of whose layers
            either processes elements independently or carries its state, as `SpikingRecurrent` does.
        streams: positive int, the number of parallel streams; `None` for one, without a stream axis.
        classes: positive int, if elements are token ids: their number (default: that of the encoder's
            `OneHotEncoder`).

    Raises:
        ValueError: `streams` is out of range, or a stage takes all of its input's time steps at once.

    Example:

    >>> model = keras_bsd.applications.SpikingForecaster(window=8, horizon=2, variables=1, units=(4,))
    >>> stream = model.streamer()
    >>> for element in np.sin(np.arange(3.0)):
    ...     forecast = stream.push([element])
    >>> forecast.shape
    (2, 1)
    """

    def __init__(self, encoder: Model, streams: int | None = None, classes: int | None = None) -> None:
        encoder = getattr(encoder, "encoder", encoder)  # of a pair
        check_built(encoder, "encoder")
        others = [stage.name for stage in flatten_stages(encoder) if not stage.takes_elements]
        if others:
            raise ValueError(
                "`encoder` must be of stages that take the elements of a sequence, such as SpikingRecurrent "
                f"and SequenceReadout. Received: {', '.join(others)}, which take time steps. For these, carry "
                "the state by `StateScope(states, single_step=True)`."
            )
        self._streams = None if streams is None else _checks.integer("streams", streams, low=1)
        self._count = streams or 1
        self._classes = (
            _count_tokens(encoder) if classes is None else _checks.integer("classes", classes, low=1)
        )
        self._element_shape = tuple(encoder.input_shape[2:])
        self._dtype = encoder.inputs[0].dtype
        self._has_elements_axis = has_output_per_element(encoder)
        self._step = _Step(of_any_length(encoder))
        with StateScope() as scope:
            self._step.encoder(keras.ops.zeros((self._count, 1, *self._element_shape), self._dtype))
        self._initial_states = {
            path: list(map(keras.ops.convert_to_numpy, states)) for path, states in scope.initial_states.items()
        }
        self.reset()

    def reset(self) -> None:
        """Return to the initial state."""
        self._states = self._initial_states

    def push(self, element: ArrayLike) -> Array:
        """Process one element and return the encoder's output.

        Args:
            element: array `(...)`, or `(streams, ...)` if there is a stream axis.

        Returns:
            NumPy array of the encoder's output, `(...)` or `(streams, ...)`.

        Raises:
            ValueError: the element has another shape, NaN or infinity, or an unknown token id. The state is
                then unchanged.
        """
        element = np.asarray(element)
        self._check(element)
        batch = element.reshape((self._count, 1, *self._element_shape)).astype(self._dtype)
        output, self._states = self._step.predict_on_batch({"element": batch, "states": self._states})
        output = output[:, 0] if self._has_elements_axis else output
        return output[0] if self._streams is None else output

    def _check(self, element):
        expected = (*(() if self._streams is None else (self._streams,)), *self._element_shape)
        if element.shape != expected:
            raise ValueError(
                f"An element of the stream must have shape {expected}. Received: shape={element.shape}. "
                "The stream's state is unchanged."
            )
        element = as_numbers("An element of the stream", element)
        if not np.isfinite(element).all():
            raise ValueError(
                f"An element of the stream must be finite. Received: {element}. The stream's state is "
                "unchanged: fill the gap, for example with the last element, and continue."
            )
        if self._classes and not (
            element.min() >= 0 and element.max() < self._classes and np.array_equal(element, np.round(element))
        ):
            raise ValueError(
                f"An element of the stream must be a token id in [0, {self._classes - 1}]. "
                f"Received: {element}. The stream's state is unchanged."
            )


def _count_tokens(encoder):
    """Return the number of tokens that an encoder takes, or None if its elements are not token ids."""
    return next((layer.classes for layer in encoder.layers if isinstance(layer, OneHotEncoder)), None)


class _Step(keras.Model):
    """One element: from the element and the states before it to the output and the states after it."""

    def __init__(self, encoder):
        super().__init__(name="step")
        self.encoder = encoder

    def call(self, inputs):
        with StateScope(inputs["states"]) as scope:
            output = self.encoder(inputs["element"])
        return output, scope.states


def has_output_per_element(encoder):
    """Return whether the output has an axis of elements; otherwise it is that of the last element."""
    return any(readout.targets == "all" for readout in flatten_stages(encoder, SequenceReadout))


def of_any_length(encoder):
    """Return a model of the same layers for sequences of any number of elements."""
    element = keras.Input((None, *encoder.input_shape[2:]), dtype=encoder.inputs[0].dtype)
    return keras.models.clone_model(encoder, input_tensors=element, clone_function=lambda layer: layer)
