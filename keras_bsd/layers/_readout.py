"""Where spikes end: the stage that gives numbers."""

import math

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._saving import rename_keys
from keras_bsd.layers._stage import Stage, deserialize_layers


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
        _checks.require_time_axis(f"Readout '{self.name}'", input_shape)
        self.input_features = tuple(input_shape[2:])
        self.synapse.build((None, *self.input_features))
        super().build(input_shape)

    state_names = ("steps", "spikes")

    def get_initial_state(self, batch_size):
        """Return the number of steps so far, `(batch,)`, and the spikes so far, `(batch, ...)`: zeros."""
        shapes = ((), self.input_features)
        return [ops.zeros((batch_size, *shape), self.compute_dtype) for shape in shapes]

    def step(self, inputs, states, training=False):
        """Return the output of the firing rates so far, and the new states; see `Stage.step`."""
        steps, spikes = states[0] + 1, states[1] + inputs
        rates = spikes / ops.reshape(steps, (-1, *[1] * (len(spikes.shape) - 1)))
        return self._read(rates, training), [steps, spikes]

    def call_local(self, inputs, training):
        return self._read(ops.mean(inputs, axis=1), training)

    def _read(self, rates, training):
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
        return cls(**{**config, "synapse": deserialize_layers(config["synapse"])})


@keras.saving.register_keras_serializable("keras_bsd")
class SequenceReadout(Readout):
    """The readout of recurrent stages: an output for every element, or for the last one alone.

    Args:
        synapse, activation: see `Readout`.
        targets: which elements have an output: `"all"`, or the `"last"` alone.

    Call arguments:
        inputs: spikes `(batch, elements, time, features)`. Gives `(batch, elements, ...)` or, for the
            last element, `(batch, ...)`.

    Example:

    >>> keras_bsd.layers.SequenceReadout(keras.layers.Dense(10))(keras.ops.ones((2, 7, 4, 8))).shape
    (2, 7, 10)
    """

    def __init__(self, synapse, activation=None, targets="all", **kwargs):
        super().__init__(synapse, activation, **kwargs)
        self.targets = _checks.one_of("targets", targets, ("all", "last"))

    def build(self, input_shape):
        if len(input_shape) != 4:
            raise ValueError(
                f"SequenceReadout '{self.name}' expects inputs of shape (batch, elements, time, features). "
                f"Received: shape={tuple(input_shape)}"
            )
        super().build((input_shape[0], *input_shape[2:]))

    def _call_single_step(self, inputs, training):
        raise ValueError(
            f"SequenceReadout '{self.name}' takes elements, which have all their time steps: it has no single step."
        )

    def call_local(self, inputs, training):
        shape = ops.shape(inputs)
        if self.targets == "last":
            return super().call_local(inputs[:, -1], training)
        outputs = super().call_local(ops.reshape(inputs, (-1, *inputs.shape[2:])), training)
        return ops.reshape(outputs, (-1, shape[1], *outputs.shape[1:]))

    def get_config(self):
        return {**super().get_config(), "targets": self.targets}

    @classmethod
    def from_config(cls, config):
        return super().from_config(rename_keys(config, {"elements": "targets"}))
