"""Where spikes end: the stage that gives numbers."""

import math

import keras
from keras import ops

from keras_bsd import checks
from keras_bsd.layers.stages import Stage, restored


@keras.saving.register_keras_serializable("keras_bsd")
class Readout(Stage):
    """Firing rates to an analogue output: scores of a classifier, pixels of a recalled stimulus.

    The synapse sees the mean over time of the spikes, which is what a membrane without leak and
    threshold holds after the last step, divided by the number of steps.

    Args:
        synapse: a Keras layer or a list of them.
        activation: name or function, applied last (default: none).

    Call arguments:
        inputs: spikes `(batch, time, ...)`. Gives `(batch, ...)`.

    Example:

    >>> keras_bsd.layers.Readout(keras.layers.Dense(10), "softmax")(keras.ops.ones((2, 4, 8))).shape
    (2, 10)
    """

    def __init__(self, synapse, activation=None, **kwargs):
        super().__init__(synapse, **kwargs)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        checks.has_time_axis(f"Readout '{self.name}'", input_shape)
        self.input_features = tuple(input_shape[2:])
        self.synapse.build((None, *self.input_features))
        super().build(input_shape)

    def drive(self, inputs, training):
        rates = ops.mean(inputs, axis=1)
        return self.activation(self.synapse(rates, training=training))

    def backward_synapse(self):
        units = math.prod(self.input_features)
        return [keras.layers.Dense(units), keras.layers.Reshape(self.input_features)]

    def get_config(self):
        return {
            **super().get_config(),
            "synapse": self.layers_config(),
            "activation": keras.activations.serialize(self.activation),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "synapse": restored(config["synapse"])})


@keras.saving.register_keras_serializable("keras_bsd")
class SequenceReadout(Readout):
    """The readout of recurrent stages: an output for every element, or for the last one alone.

    Args:
        synapse, activation: see `Readout`.
        elements: `"all"` or `"last"`.

    Call arguments:
        inputs: spikes `(batch, elements, time, features)`. Gives `(batch, elements, ...)` or, for the
            last element, `(batch, ...)`.

    Example:

    >>> keras_bsd.layers.SequenceReadout(keras.layers.Dense(10))(keras.ops.ones((2, 7, 4, 8))).shape
    (2, 7, 10)
    """

    def __init__(self, synapse, activation=None, elements="all", **kwargs):
        super().__init__(synapse, activation, **kwargs)
        self.elements = checks.one_of("elements", elements, ("all", "last"))

    def build(self, input_shape):
        if len(input_shape) != 4:
            raise ValueError(
                f"SequenceReadout '{self.name}' expects inputs of shape (batch, elements, time, features). "
                f"Received: shape={tuple(input_shape)}"
            )
        super().build((input_shape[0], *input_shape[2:]))

    def drive(self, inputs, training):
        shape = ops.shape(inputs)
        if self.elements == "last":
            return super().drive(inputs[:, -1], training)
        outputs = super().drive(ops.reshape(inputs, (-1, *inputs.shape[2:])), training)
        return ops.reshape(outputs, (-1, shape[1], *outputs.shape[1:]))

    def get_config(self):
        return {**super().get_config(), "elements": self.elements}
