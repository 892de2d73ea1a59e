"""The recurrent stage: sequences of elements, and a state that is carried from each to the next."""

from typing import NamedTuple

import keras
from keras import ops

from keras_bsd import _checks, _state_scope
from keras_bsd._backend.custom_gradient import with_value
from keras_bsd._saving import rename_keys
from keras_bsd.layers._stage import ConfiguredStage, Stage
from keras_bsd.layers._time_loop import over_time

TARGETS = ("all", "last")


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingRecurrent(ConfiguredStage):
    """Recurrent spiking stage for sequences, learning locally in time as well.

    Each element `n` of a sequence is held for `k` time steps as a current of its neurons,

        I[n] = norm(sum_d W_d x[n - d] + R r[n - 1]),    d = 0 .. delays - 1,

    where `x` is an element (or the rate of the spikes that stand for it) and `r` the rate at which the
    stage's own neurons fired during an element. Membranes are carried from element to element.

    By the rate rule an update is a product of the local error at an element with the rates that were
    there before it, `x` and `r`: nothing goes back through time. What lies further back than one element
    is reached through delays, or not at all. By the surrogate rule, and by backpropagation, gradients go
    back through all elements.

    Args:
        units: positive int.
        delays: positive int, from how many elements, the present one included, synapses bring input.
        timesteps: positive int, `k`, for the first stage: its input is a sequence of stimuli.
        targets: `"all"` elements of a sequence, each a sample with a target of its own, or the
            `"last"`, of which the sequence is a sample.
        feedback_gain: non-negative float, the gain of the orthogonal feedback weights to begin with. At 1
            a stage may hear itself more than its input.
        normalization: of each element's currents: `"layer"` or `None`.
        neuron: a `SpikingLIF` (default: `SpikingLIF()`).

    Call arguments:
        inputs: spikes `(batch, elements, time, features)`, or with `timesteps` stimuli
            `(batch, elements, features)`. Gives spikes `(batch, elements, time, units)`.

    Its state is carried within a `keras_bsd.StateScope` scope.

    Raises:
        ValueError: an argument is out of range or unknown, or the input has other axes.

    Example:

    >>> stage = keras_bsd.layers.SpikingRecurrent(16, delays=3, timesteps=4)
    >>> stage(keras.random.normal((2, 10, 5))).shape
    (2, 10, 4, 16)

    Source: the rule is `keras_bsd.learning.rate_rule`; recurrent spiking networks and what local
    learning in time leaves out: Bellec et al., "A solution to the learning dilemma for recurrent networks
    of spiking neurons", Nature Communications 2020.
    """

    _config_keys = ("units", "delays", "targets", "feedback_gain", "normalization")

    def __init__(
        self,
        units,
        delays=1,
        timesteps=None,
        targets="all",
        feedback_gain=1.0,
        normalization="layer",
        neuron=None,
        **kwargs,
    ):
        self.units = _checks.integer("units", units, low=1)
        self.delays = _checks.integer("delays", delays, low=1)
        self.targets = _checks.one_of("targets", targets, TARGETS)
        self.feedback_gain = _checks.real("feedback_gain", feedback_gain, low=0.0)
        self.normalization = _checks.one_of("normalization", normalization, ("layer", None))
        dtype, use_bias = kwargs.get("dtype"), normalization is None
        synapse = [keras.layers.Conv1D(units, delays, use_bias=use_bias, dtype=dtype)]
        if normalization == "layer":
            synapse.append(keras.layers.LayerNormalization(dtype=dtype))
        super().__init__(synapse, neuron, timesteps, **kwargs)
        if self.neuron.stateful:
            raise ValueError(
                f"Stage '{self.name}' carries its neurons' state itself. Received: a stateful `neuron`"
            )
        feedback = keras.initializers.Orthogonal(self.feedback_gain)
        self.recurrent = keras.layers.Dense(
            units,
            use_bias=False,
            kernel_initializer=feedback,
            trainable=self.trainable,
            dtype=self.dtype_policy,
            name="recurrent",
        )

    def build(self, input_shape):
        expected = ["batch", "elements", *([] if self.timesteps else ["time"]), "features"]
        if len(input_shape) != len(expected) or None in input_shape[2:]:
            raise ValueError(
                f"Stage '{self.name}' expects inputs of shape ({', '.join(expected)}). "
                f"Received: shape={tuple(input_shape)}. Only the first stage takes `timesteps`."
            )
        self._steps = self.timesteps or input_shape[2]
        features = input_shape[-1]
        self.synapse.build((None, None, features))
        self.recurrent.build((None, self.units))
        self.neuron.build((None, self._steps, self.units))
        self.input_features, self.output_features = (features,), (self.units,)
        Stage.build(self, input_shape)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], self.timesteps or input_shape[2], self.units)

    @property
    def state_names(self):
        """What each part of the state is called, in the order of `get_initial_state`."""
        return ("inputs", *self.neuron.cell.state_names, "spikes")

    def get_initial_state(self, batch_size):
        """State before the first element: no input before it, membranes at rest, no spikes."""
        return [
            ops.zeros((batch_size, self.delays - 1, *self.input_features), self.compute_dtype),
            *self.neuron.cell.get_initial_state(batch_size),
            ops.zeros((batch_size, self._steps, self.units), self.compute_dtype),
        ]

    @classmethod
    def from_config(cls, config):
        return super().from_config(rename_keys(config, {"learns_from": "targets"}))

    def step(self, inputs, states, training=False):
        """Process one element; see `Stage.step`.

        Args:
            inputs: spikes `(batch, time, features)`, or with `timesteps` a stimulus `(batch, features)`.
            states: list of tensors.
            training: bool.

        Returns:
            Spikes `(batch, time, units)`, and the new states.
        """
        loop, states = self._loop(ops.expand_dims(inputs, 1), states, training)
        return loop.spikes[:, 0], states

    def spikes(self, inputs, training):
        return self._carried_loop(inputs, training).spikes

    def spikes_and_mean_current(self, inputs, training):
        loop = keras.tree.map_structure(ops.stop_gradient, self._carried_loop(inputs, training))
        before = ops.concatenate([loop.spikes_before, loop.spikes[:, :-1]], axis=1)
        inputs, weighed, fed_back = loop.inputs, loop.weighed, loop.fed_back
        if self.targets == "last":
            inputs, before = inputs[:, -self.delays :], before[:, -1:]
            weighed, fed_back = weighed[:, -1:], fed_back[:, -1:]
        current = with_value(self._affine(inputs, training), weighed)
        current = current + with_value(self.recurrent(ops.mean(before, axis=2)), fed_back)
        return loop.spikes, self._samples(self._remaining(current, training))

    def firing_rates(self, spikes):
        spikes = spikes[:, -1:] if self.targets == "last" else spikes
        return self._samples(ops.mean(ops.cast(spikes, "float32"), axis=2))

    def _samples(self, values):
        """Of what each element has, `(batch * elements, units)`."""
        return ops.reshape(values, (-1, self.units))

    def _call_single_step(self, inputs, training):
        return self.call_local(inputs, training)  # in any scope, an element takes all its time steps

    def _carried_loop(self, inputs, training):
        """Run over all elements, from the state of the active `StateScope` if there is one, or from rest."""
        states = _state_scope.initial_state(self, ops.shape(inputs)[0])
        loop, states = self._loop(inputs, states, training)
        _state_scope.store_state(self, states)
        return loop

    def _loop(self, inputs, states, training):
        """Return what a loop over all elements leaves behind, and the state after it."""
        past, *states = states
        rates = inputs if self.timesteps else ops.mean(inputs, axis=2)
        rates = ops.cast(rates, self.compute_dtype)
        inputs = ops.concatenate([past, rates], axis=1)
        weighed = self._affine(inputs, training)

        def element(states, inputs):
            *membranes, spikes = states
            fed_back = self.recurrent(ops.mean(spikes, axis=1))
            current = self._remaining(inputs[0] + fed_back, training)
            fired = []
            for _ in range(self._steps):
                spikes, membranes = self.neuron.cell(current, membranes)
                fired.append(spikes)
            fired = ops.stack(fired, axis=1)
            return [fed_back, *membranes[1:], fired], [*membranes, fired]

        (fed_back, *_, spikes), ended = over_time(element, states, [weighed], unroll=1)
        ended = [inputs[:, ops.shape(inputs)[1] - self.delays + 1 :], *ended]
        return _Loop(inputs, weighed, fed_back, spikes, states[-1][:, None]), ended


class _Loop(NamedTuple):
    """What a loop over the elements of a sequence leaves behind."""

    inputs: object  # rates, those before the sequence ahead, (batch, delays - 1 + elements, features)
    weighed: object  # the inputs' part of the currents before normalisation, (batch, elements, units)
    fed_back: object  # the recurrent part, likewise
    spikes: object  # (batch, elements, time, units)
    spikes_before: object  # of the element before the sequence, (batch, 1, time, units)
