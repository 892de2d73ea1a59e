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
