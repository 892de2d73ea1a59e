"""Stages: the units of local learning, each a synapse (any Keras layers) and what it drives."""

import keras
from keras import ops

from keras_bsd import _checks, _rules, _state_scope
from keras_bsd._backend.custom_gradient import with_value
from keras_bsd.layers._kinds import count_leading_affine
from keras_bsd.layers._lif import SpikingLIF

NORMALIZATIONS = ("batch", "layer", None)


def _normalization(kind, dtype):
    _checks.one_of("normalization", kind, NORMALIZATIONS)
    if kind == "batch":
        # Spiking networks train in few steps: the moving statistics must follow within tens of them.
        return [keras.layers.BatchNormalization(momentum=0.9, dtype=dtype)]
    return [keras.layers.GroupNormalization(groups=1, dtype=dtype)] if kind == "layer" else []


class Stage(keras.layers.Layer):
    """Base class of stages: a `synapse` with weights, whose input is detached during local learning.

    A subclass implements `call_local`, and `backward_synapse` if `keras_bsd.mirror` is to support it.

    Args:
        synapse: a Keras layer or a list of them.

    Raises:
        ValueError: `synapse` holds something other than layers, or a `SpikingLIF`.
    """

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
        """Subclasses call this once their weights exist."""
        if not self.trainable:  # created frozen: Keras has not passed that on to the inner layers
            self.synapse.trainable = False

    def call(self, inputs, training=False):
        inputs = _rules.cut_gradient(inputs)
        if _state_scope.is_single_step():
            return self._call_single_step(inputs, training)
        return self.call_local(inputs, training)

    def call_local(self, inputs, training):
        """Return the stage's output for detached inputs."""
        raise NotImplementedError

    def get_initial_state(self, batch_size):
        """Return the state before the first time step, a list of tensors `(batch, ...)`."""
        raise NotImplementedError

    def step(self, inputs, states, training=False):
        """Process one time step.

        Args:
            inputs: `(batch, ...)`, the inputs of one time step, or a held stimulus.
            states: list of tensors, as `get_initial_state` or the step before returned it.
            training: bool.

        Returns:
            The output of this time step, and the new states.
        """
        raise NotImplementedError

    def _call_single_step(self, inputs, training):
        states = _state_scope.initial_state(self, ops.shape(inputs)[0])
        outputs, states = self.step(self._without_time(inputs), states, training)
        _state_scope.store_state(self, states)
        return outputs

    def _without_time(self, inputs):
        return inputs[:, 0]

    def backward_synapse(self):
        """Return layers from the shape of this stage's outputs to that of its inputs, without normalisation."""
        raise NotImplementedError(
            f"{self.__class__.__name__} has no mirror image of its own. Write the decoder by hand: "
            "one SpikingStage for each of the encoder's, in reverse order and of the same shapes."
        )

    def layers_config(self):
        """Return the serialised layers of the synapse."""
        return [keras.saving.serialize_keras_object(layer) for layer in self.synapse.layers]


def _apply(layers, inputs, training):
    for layer in layers:
        inputs = layer(inputs, training=training)
    return inputs


def deserialize_layers(layers):
    """Return the layers of serialised ones."""
    return [keras.saving.deserialize_keras_object(layer) for layer in layers]


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingStage(Stage):
    """Spikes to spikes: a synapse, applied at every time step, drives spiking neurons.

    Args:
        synapse: a Keras layer or a list of them, applied to each time step separately.
        neuron: a `SpikingLIF` (default: `SpikingLIF()`).
        timesteps: positive int, for the first stage. The input then has no time axis: it is a stimulus whose
            current is computed once and held for this many steps.
        normalization: `"batch"`, `"layer"` or `None`: normalise the currents after all other layers. `"batch"`
            is `BatchNormalization(momentum=0.9)`: with Keras's default of 0.99 the moving statistics lag behind
            in training of a few hundred steps, and the network then predicts badly what it has learned.

    Call arguments:
        inputs: spikes `(batch, time, ...)`, or with `timesteps` a stimulus `(batch, ...)`.
            Returns spikes `(batch, time, ...)`.

    Raises:
        ValueError: an argument is out of range or unknown, or the synapse does not take the input's time steps.

    Example:

    >>> stage = keras_bsd.layers.SpikingStage(
    ...     [keras.layers.Dense(16), keras.layers.Dropout(0.1)], timesteps=4, normalization="batch")
    >>> tuple(stage(keras.random.normal((2, 8))).shape)
    (2, 4, 16)
    """

    def __init__(self, synapse, neuron=None, timesteps=None, normalization=None, **kwargs):
        layers = list(synapse) if isinstance(synapse, (list, tuple)) else [synapse]
        dtype = kwargs.get("dtype")
        super().__init__([*layers, *_normalization(normalization, dtype)], **kwargs)
        self._affine_count = count_leading_affine(self.synapse.layers)
        self.neuron = SpikingLIF(dtype=dtype) if neuron is None else neuron
        if not isinstance(self.neuron, SpikingLIF) or self.neuron.return_state:
            raise ValueError(
                "A stage gives spikes and nothing else: `neuron` must be a SpikingLIF without "
                f"`return_state`. Received: neuron={neuron!r}. Analogue layers go into `synapse`."
            )
        self.timesteps = None if timesteps is None else _checks.integer("timesteps", timesteps, low=1)

    def build(self, input_shape):
        if self.timesteps is None:
            _checks.require_time_axis(f"Stage '{self.name}'", input_shape)
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
        except (IndexError, TypeError, ValueError) as error:  # a user's `build` may raise any of these
            raise ValueError(
                f"Stage '{self.name}' takes inputs (batch, time, ...), and its synapse does not take the time "
                f"steps of these: {error}. A first stage, whose stimulus has no time axis, needs `timesteps`. "
                f"Received: shape={tuple(input_shape)}"
            ) from error

    def compute_output_shape(self, input_shape):
        time = input_shape[1] if self.timesteps is None else self.timesteps
        features = tuple(input_shape[2:] if self.timesteps is None else input_shape[1:])
        return (input_shape[0], time, *self.synapse.compute_output_shape((None, *features))[1:])

    def call_local(self, inputs, training):
        scope = _rules.active_scope()
        if scope is not None:
            return scope.run_stage(self, inputs, training)
        return self.spikes(inputs, training)

    @property
    def state_names(self):
        """The name of each part of the state, in the order of `get_initial_state`."""
        return self.neuron.cell.state_names

    def get_initial_state(self, batch_size):
        return self.neuron.cell.get_initial_state(batch_size)

    def step(self, inputs, states, training=False):
        return self.neuron.cell(_apply(self.synapse.layers, inputs, training), states)

    def _call_single_step(self, inputs, training):
        return ops.expand_dims(super()._call_single_step(inputs, training), 1)

    def _without_time(self, inputs):
        return inputs[:, 0] if self.timesteps is None else inputs

    def spikes(self, inputs, training):
        """Return spikes `(batch, time, ...)`, through which gradients pass."""
        return self.fire(self.currents(inputs, training))

    def currents(self, inputs, training):
        """Return currents `(batch, time, ...)`; the time axis of a held stimulus has length one."""
        return self._each_step(self._whole, self._with_time(inputs), training)

    def affine_part(self, inputs, training):
        """Return the output of the synapse's leading affine layers at every time step, `(batch, time, ...)`."""
        return self._each_step(self._affine, self._with_time(inputs), training)

    def remaining_part(self, affine, training):
        """Return currents `(batch, time, ...)` from the output of `affine_part`, by the remaining layers."""
        return self._each_step(self._remaining, affine, training)

    def spikes_and_mean_current(self, inputs, training):
        """Return detached spikes and the differentiable mean current, for the rate rule."""
        affine = ops.stop_gradient(self.affine_part(inputs, training))
        spikes = self.fire(ops.stop_gradient(self.remaining_part(affine, training)))
        # A learned leak or threshold would still pass a gradient.
        return ops.stop_gradient(spikes), self.mean_current(inputs, affine, training)

    def firing_rates(self, spikes):
        """Return the representation of each sample: spikes per time step, `(batch, ...)`, in float32."""
        return ops.mean(ops.cast(spikes, "float32"), axis=1)

    def mean_current(self, inputs, affine, training):
        """Return the current `(batch, ...)` of the time-averaged input, leaving statistics untouched.

        The value of the affine layers' part is the mean of `affine`, the output of `affine_part`. For its
        gradient they are applied to the averaged input: one product for each weight in place of one for each
        time step. Compilers drop the unused value of that product.
        """
        held = self.timesteps is not None
        averaged = inputs if held else ops.mean(inputs, axis=1)
        state = [(variable, variable.value) for variable in self.synapse.variables]
        with keras.StatelessScope(state):  # an activity regulariser does not count twice either
            averaged = self._affine(averaged, training)
            averaged = with_value(averaged, ops.stop_gradient(ops.mean(affine, axis=1)))
            return self._remaining(averaged, training)

    def _with_time(self, inputs):
        return inputs if self.timesteps is None else ops.expand_dims(inputs, 1)

    def _whole(self, inputs, training):
        return _apply(self.synapse.layers, inputs, training)

    def _affine(self, inputs, training):
        return _apply(self.synapse.layers[: self._affine_count], inputs, training)

    def _remaining(self, inputs, training):
        return _apply(self.synapse.layers[self._affine_count :], inputs, training)

    def _each_step(self, function, inputs, training):
        shape, steps = inputs.shape, ops.shape(inputs)[1]
        outputs = function(ops.reshape(inputs, (-1, *shape[2:])), training)
        return ops.reshape(outputs, (-1, steps, *outputs.shape[1:]))

    def fire(self, currents):
        """Return spikes `(batch, time, ...)` for currents, which are held if the stage takes a stimulus."""
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
        # It is built with the stage: a learned leak or threshold cannot be built twice.
        config = {**config, "neuron": keras.saving.deserialize_keras_object(neuron)}
        if "synapse" in config:
            config["synapse"] = deserialize_layers(config["synapse"])
        return cls(**config)


class ConfiguredStage(SpikingStage):
    """A stage described by plain values, those of `_config_keys`, in place of layers."""

    _config_keys = ()

    def get_config(self):
        config = super().get_config()
        del config["synapse"]
        return {**config, **{key: getattr(self, key) for key in self._config_keys}}


def walk(model):
    """Yield the layers of `model` in the order in which they are called, those of nested models in place."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from walk(layer)
        else:
            yield layer


def flatten_stages(model, kind=Stage):
    """Return the stages of a model, those of nested models included, in the order in which they are called.

    Args:
        model: Keras model.
        kind: class, or tuple of classes, that the stages must be instances of.

    Returns:
        List of stages.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6))
    >>> [stage.name for stage in keras_bsd.layers.flatten_stages(model.encoder)]
    ['dense_1', 'dense_2', 'scores']
    """
    return [layer for layer in walk(model) if isinstance(layer, kind)]
