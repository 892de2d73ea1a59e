"""Stages: the units of local learning, each a synapse (any Keras layers) and what it drives."""

import keras
from keras import ops

from keras_bsd import checks, learning
from keras_bsd.custom_gradient import custom_gradient
from keras_bsd.layers.affine import leading_affine
from keras_bsd.layers.spiking_lif import SpikingLIF

NORMALIZATIONS = ("batch", "layer", None)


def _normalization(kind, dtype):
    checks.one_of("normalization", kind, NORMALIZATIONS)
    if kind == "batch":
        # Spiking networks train in few steps: statistics must follow within tens of them.
        return [keras.layers.BatchNormalization(momentum=0.9, dtype=dtype)]
    return [keras.layers.GroupNormalization(groups=1, dtype=dtype)] if kind == "layer" else []


class Stage(keras.layers.Layer):
    """Base class of what learns locally: weights in a `synapse`, and one cut at the input."""

    def __init__(self, synapse, **kwargs):
        super().__init__(**kwargs)
        layers = list(synapse) if isinstance(synapse, (list, tuple)) else [synapse]
        for layer in layers:
            if not isinstance(layer, keras.layers.Layer):
                raise ValueError(f"`synapse` must be a Keras layer or a list of them. Received: {layer!r}")
            if isinstance(layer, SpikingLIF):
                raise ValueError(
                    "A synapse gives currents, one time step at a time: a SpikingLIF goes into the `neuron` of "
                    f"a SpikingStage. Received: synapse with {layer!r}"
                )
        self.synapse = keras.Sequential(layers, name="synapse")
        self.synapse.dtype_policy = self.dtype_policy

    def build(self, input_shape):
        """Called by subclasses when their weights are there."""
        if not self.trainable:  # made frozen: Keras has not told the layers within
            self.synapse.trainable = False

    def call(self, inputs, training=False):
        return self.drive(learning.cut(inputs), training)

    def drive(self, inputs, training):
        """What the stage does with inputs that are already cut off."""
        raise NotImplementedError

    def backward_synapse(self):
        """Layers from the shape of this stage's outputs back to that of its inputs, unnormalised."""
        raise NotImplementedError(
            f"{self.__class__.__name__} has no mirror image of its own. Write the decoder by hand: "
            "one SpikingStage for each of the encoder's, in reverse order and of the same shapes."
        )

    def layers_config(self):
        return [keras.saving.serialize_keras_object(layer) for layer in self.synapse.layers]


def _apply(layers, inputs, training):
    for layer in layers:
        inputs = layer(inputs, training=training)
    return inputs


# `value`, with the gradient going to `tensor`.
with_value = custom_gradient(
    forward=lambda tensor, value: value,
    backward=lambda upstream, tensor, value: (upstream, ops.zeros_like(upstream)),
)


def restored(layers):
    return [keras.saving.deserialize_keras_object(layer) for layer in layers]


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingStage(Stage):
    """Spikes to spikes: a synapse applied at every time step drives spiking neurons.

    Args:
        synapse: a Keras layer or a list of them, applied at each time step on its own.
        neuron: a `SpikingLIF` (default: `SpikingLIF()`).
        timesteps: for the first stage. The input then has no time axis: it is a stimulus whose
            current is computed once and held for this many steps.
        normalization: `"batch"`, `"layer"` or `None`: normalise the currents last of all. `"batch"` is a
            `BatchNormalization(momentum=0.9)`: by Keras's own 0.99 the moving statistics follow too slowly
            for training of a few hundred steps, after which a network predicts badly what it has learned.

    Call arguments:
        inputs: spikes `(batch, time, ...)`, or with `timesteps` a stimulus `(batch, ...)`.
            Gives spikes `(batch, time, ...)`.

    Example:

    >>> stage = keras_bsd.layers.SpikingStage(
    ...     [keras.layers.Dense(16), keras.layers.Dropout(0.1)], timesteps=4, normalization="batch")
    >>> stage(keras.random.normal((2, 8))).shape
    (2, 4, 16)
    """

    def __init__(self, synapse, neuron=None, timesteps=None, normalization=None, **kwargs):
        layers = list(synapse) if isinstance(synapse, (list, tuple)) else [synapse]
        dtype = kwargs.get("dtype")
        super().__init__([*layers, *_normalization(normalization, dtype)], **kwargs)
        self._affine_count = leading_affine(self.synapse.layers)
        self.neuron = SpikingLIF(dtype=dtype) if neuron is None else neuron
        if not isinstance(self.neuron, SpikingLIF) or self.neuron.return_state:
            raise ValueError(
                "A stage gives spikes and nothing else: `neuron` must be a SpikingLIF without "
                f"`return_state`. Received: neuron={neuron!r}. Analogue layers go into `synapse`."
            )
        self.timesteps = None if timesteps is None else checks.integer("timesteps", timesteps, low=1)

    def build(self, input_shape):
        if self.timesteps is None:
            checks.has_time_axis(f"Stage '{self.name}'", input_shape)
            batch_size, time, *features = input_shape
        else:
            batch_size, *features = input_shape
            time = self.timesteps
        self._build_synapse(features, input_shape)
        neurons = self.synapse.compute_output_shape((None, *features))[1:]
        self.neuron.build((batch_size, time, *neurons))
        self.input_features, self.output_features = tuple(features), tuple(neurons)
        super().build(input_shape)

    def _build_synapse(self, features, input_shape):
        if self.timesteps is not None:
            return self.synapse.build((None, *features))
        try:
            if not features:
                raise ValueError("a time step would have no axis")
            self.synapse.build((None, *features))
        except (IndexError, TypeError, ValueError) as error:  # whatever a user's `build` may make of it
            raise ValueError(
                f"Stage '{self.name}' takes inputs (batch, time, ...), and its synapse does not take the time "
                f"steps of these: {error}. A first stage, whose stimulus has no time axis, needs `timesteps`. "
                f"Received: shape={tuple(input_shape)}"
            ) from error

    def compute_output_shape(self, input_shape):
        time = input_shape[1] if self.timesteps is None else self.timesteps
        features = tuple(input_shape[2:] if self.timesteps is None else input_shape[1:])
        return (input_shape[0], time, *self.synapse.compute_output_shape((None, *features))[1:])

    def drive(self, inputs, training):
        scope = learning.active()
        if scope is not None:
            return scope.fire(self, inputs, training)
        return self.run(inputs, training)

    def run(self, inputs, training):
        """Spikes `(batch, time, ...)`, through which gradients pass."""
        return self.fire(self.respond(inputs, training))

    def respond(self, inputs, training):
        """Currents `(batch, time, ...)`; with a time axis of one for a held stimulus."""
        return self._each_step(self._whole, self._with_time(inputs), training)

    def weigh(self, inputs, training):
        """What the synapse's leading affine layers give at every time step, `(batch, time, ...)`."""
        return self._each_step(self._affine, self._with_time(inputs), training)

    def settle(self, weighed, training):
        """Currents `(batch, time, ...)` from what `weigh` gave, by the rest of the synapse."""
        return self._each_step(self._rest, weighed, training)

    def observe(self, inputs, training):
        """For the rate rule: spikes without a gradient, and the mean current, with its own, they answer."""
        weighed = ops.stop_gradient(self.weigh(inputs, training))
        spikes = self.fire(ops.stop_gradient(self.settle(weighed, training)))
        # A learned leak or threshold would still pass a gradient.
        return ops.stop_gradient(spikes), self.mean_current(inputs, weighed, training)

    def firing_rates(self, spikes):
        """What the stage says of a sample: spikes per time step, `(batch, ...)`, in float32."""
        return ops.mean(ops.cast(spikes, "float32"), axis=1)

    def mean_current(self, inputs, weighed, training):
        """Current `(batch, ...)` that the time-averaged input gives, leaving statistics untouched.

        The affine layers' part is the mean of what `weigh` gave. For its gradient they are applied to
        the averaged input: one product a weight in place of one for each time step, and none at all
        for the value, which compilers see is not used.
        """
        held = self.timesteps is not None
        averaged = inputs if held else ops.mean(inputs, axis=1)
        state = [(variable, variable.value) for variable in self.synapse.variables]
        with keras.StatelessScope(state):  # nor does an activity regulariser count twice
            averaged = self._affine(averaged, training)
            averaged = with_value(averaged, ops.stop_gradient(ops.mean(weighed, axis=1)))
            return self._rest(averaged, training)

    def _with_time(self, inputs):
        return inputs if self.timesteps is None else ops.expand_dims(inputs, 1)

    def _whole(self, inputs, training):
        return _apply(self.synapse.layers, inputs, training)

    def _affine(self, inputs, training):
        return _apply(self.synapse.layers[: self._affine_count], inputs, training)

    def _rest(self, inputs, training):
        return _apply(self.synapse.layers[self._affine_count :], inputs, training)

    def _each_step(self, function, inputs, training):
        shape, steps = inputs.shape, ops.shape(inputs)[1]
        outputs = function(ops.reshape(inputs, (-1, *shape[2:])), training)
        return ops.reshape(outputs, (-1, steps, *outputs.shape[1:]))

    def fire(self, currents):
        """Spikes `(batch, time, ...)` for currents, held if the stage takes a stimulus."""
        if self.timesteps is not None:
            shape = ops.shape(currents)
            currents = ops.broadcast_to(currents, (shape[0], self.timesteps, *shape[2:]))
        return self.neuron(currents)

    def get_config(self):
        return {
            **super().get_config(),
            "synapse": self.layers_config(),
            "neuron": keras.saving.serialize_keras_object(self.neuron),
            "timesteps": self.timesteps,
        }

    @classmethod
    def from_config(cls, config):
        neuron = {key: value for key, value in config["neuron"].items() if key != "build_config"}
        # It is built with the stage: twice it cannot be, if its leak or threshold is learned.
        config = {**config, "neuron": keras.saving.deserialize_keras_object(neuron)}
        if "synapse" in config:
            config["synapse"] = restored(config["synapse"])
        return cls(**config)


class MadeToMeasure(SpikingStage):
    """A stage described by numbers instead of layers."""

    _numbers = ()

    def get_config(self):
        config = super().get_config()
        del config["synapse"]
        return {**config, **{name: getattr(self, name) for name in self._numbers}}


def flatten_stages(model, kind=Stage):
    """The stages of `kind` in `model`, nested models included, in the order in which they are called."""
    stages = []
    for layer in model.layers:
        if isinstance(layer, kind):
            stages.append(layer)
        elif isinstance(layer, keras.Model):
            stages += flatten_stages(layer, kind)
    return stages
