"""Recurrent encoders step by step on a live stream."""

import keras
import numpy as np

from keras_bsd import _checks
from keras_bsd._state_scope import StateScope
from keras_bsd.layers._readout import SequenceReadout
from keras_bsd.layers._stage import flatten_stages


class Streamer:
    """A recurrent encoder that takes one element at a time and carries its state from each to the next.

    After the same elements its output is the encoder's for the whole sequence. It shares the encoder's
    weights.

    Args:
        encoder: Keras model of sequences `(batch, elements, ...)`, whose layers either look at elements
            one by one or carry their state, as `SpikingRecurrent` does.
        streams: positive int, parallel streams, or `None` for one, without an axis of its own.
        classes: int, if elements are class numbers: how many there are.

    Raises:
        ValueError: `streams` is out of range.

    Example:

    >>> stream = model.streamer()
    >>> for element in series:
    ...     forecast = stream.push(element)
    """

    def __init__(self, encoder, streams=None, classes=None):
        self._streams = None if streams is None else _checks.integer("streams", streams, low=1)
        self._count, self._classes = streams or 1, classes
        self._element_shape = tuple(encoder.input_shape[2:])
        self._dtype = encoder.inputs[0].dtype
        self._elements_axis = has_output_per_element(encoder)
        self._step = _Step(of_any_length(encoder))
        with StateScope() as rest:
            self._step.encoder(keras.ops.zeros((self._count, 1, *self._element_shape), self._dtype))
        self._first = {
            path: list(map(keras.ops.convert_to_numpy, s)) for path, s in rest.initial_states.items()
        }
        self.reset()

    def reset(self):
        """Forget what has been pushed."""
        self._states = self._first

    def push(self, element):
        """The output after one more element.

        Args:
            element: array `(...)`, or `(streams, ...)` if `streams` were given.

        Returns:
            NumPy array of the encoder's output, with the axis of streams if there is one.

        Raises:
            ValueError: another shape, NaN or infinity, or no class that there is. The state is as it was.
        """
        element = np.asarray(element)
        expected = (*(() if self._streams is None else (self._streams,)), *self._element_shape)
        if element.shape != expected:
            raise ValueError(
                f"An element of the stream must have shape {expected}. Received: shape={element.shape}. "
                "The stream's state is as it was."
            )
        if not np.isfinite(element).all():
            raise ValueError(
                f"An element of the stream must be finite. Received: {element}. The stream's state is as "
                "it was: fill the gap, for example with the last element, and go on."
            )
        if self._classes and not (element.min() >= 0 and element.max() < self._classes):
            raise ValueError(
                f"An element of the stream must be a class in [0, {self._classes - 1}]. Received: {element}. "
                "The stream's state is as it was."
            )
        batch = element.reshape((self._count, 1, *self._element_shape)).astype(self._dtype)
        output, self._states = self._step.predict_on_batch({"element": batch, "states": self._states})
        output = output[:, 0] if self._elements_axis else output
        return output[0] if self._streams is None else output


class _Step(keras.Model):
    """One element: from it and the states before it to the output and the states after it."""

    def __init__(self, encoder):
        super().__init__(name="step")
        self.encoder = encoder

    def call(self, inputs):
        with StateScope(inputs["states"]) as carried:
            output = self.encoder(inputs["element"])
        return output, carried.states


def has_output_per_element(encoder):
    """Whether the output has an axis of elements, or is what the last one says."""
    return any(readout.targets == "all" for readout in flatten_stages(encoder, SequenceReadout))


def of_any_length(encoder):
    """The same layers for sequences of any number of elements."""
    element = keras.Input((None, *encoder.input_shape[2:]), dtype=encoder.inputs[0].dtype)
    return keras.models.clone_model(encoder, input_tensors=element, clone_function=lambda layer: layer)
