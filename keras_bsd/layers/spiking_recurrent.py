"""The recurrent stage: sequences of elements, and a state that is carried from each to the next."""

import keras
from keras import ops

from keras_bsd import checks, learning
from keras_bsd.layers.stages import MadeToMeasure, with_value
from keras_bsd.layers.time_loop import over_time

ELEMENTS = ("all", "last")


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingRecurrent(MadeToMeasure):
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
        learns_from: `"all"` elements of a sequence, each a sample with a target of its own, or the
            `"last"`, of which the sequence is a sample.
        normalization: of each element's currents: `"layer"` or `None`.
        neuron: a `SpikingLIF` (default: `SpikingLIF()`).

    Call arguments:
        inputs: spikes `(batch, elements, time, features)`, or with `timesteps` stimuli
            `(batch, elements, features)`. Gives spikes `(batch, elements, time, units)`.
        states: list as `get_initial_state` gives it: the inputs before, the membranes, the spikes of the
            element before. With it the call gives the spikes and the list of states after the last
            element.

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

    _numbers = ("units", "delays", "learns_from", "normalization")

    def __init__(
        self,
        units,
        delays=1,
        timesteps=None,
        learns_from="all",
        normalization="layer",
        neuron=None,
        **kwargs,
    ):
        self.units = checks.integer("units", units, low=1)
        self.delays = checks.integer("delays", delays, low=1)
        self.learns_from = checks.one_of("learns_from", learns_from, ELEMENTS)
        self.normalization = checks.one_of("normalization", normalization, ("layer", None))
        dtype, use_bias = kwargs.get("dtype"), normalization is None
        synapse = [keras.layers.Conv1D(units, delays, use_bias=use_bias, dtype=dtype)]
        if normalization == "layer":
            synapse.append(keras.layers.LayerNormalization(dtype=dtype))
        super().__init__(synapse, neuron, timesteps, **kwargs)
        if self.neuron.stateful:
            raise ValueError(
                f"Stage '{self.name}' carries its neurons' state itself. Received: a stateful `neuron`"
            )
        self.recurrent = keras.layers.Dense(
            units, use_bias=False, kernel_initializer="orthogonal", dtype=self.dtype_policy, name="recurrent"
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

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], self.timesteps or input_shape[2], self.units)

    def get_initial_state(self, batch_size):
        """State before the first element: no input, membranes at rest, no spikes."""
        return [
            ops.zeros((batch_size, self.delays - 1, *self.input_features), self.compute_dtype),
            *self.neuron.cell.get_initial_state(batch_size),
            ops.zeros((batch_size, self._steps, self.units), self.compute_dtype),
        ]

    def call(self, inputs, states=None, training=False):
        if states is None:
            return super().call(inputs, training=training)
        inputs = self._with_past(inputs, states[0])
        _, spikes, later = self._loop(self._affine(inputs, training), states[1:])
        return spikes, [inputs[:, inputs.shape[1] - self.delays + 1 :], *later]

    def compute_output_spec(self, inputs, states=None, training=False):
        spikes = keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)
        if states is None:
            return spikes
        return spikes, [keras.KerasTensor(state.shape, state.dtype) for state in states]

    def weigh(self, inputs, training):
        """The input's part of every element's current, before normalisation, `(batch, elements, units)`."""
        return self._affine(self._with_past(inputs), training)

    def settle(self, weighed, training):
        """Nothing yet: currents are normalised within the loop, with the recurrent part."""
        return weighed

    def fire(self, weighed):
        return self._loop(weighed)[1]

    def observe(self, inputs, training):
        inputs = self._with_past(inputs)
        weighed = ops.stop_gradient(self._affine(inputs, training))
        fed_back, spikes, _ = map_stop(self._loop(weighed))
        rates = ops.mean(spikes, axis=2)
        before = ops.concatenate([ops.zeros_like(rates[:, :1]), rates[:, :-1]], axis=1)
        if self.learns_from == "last":
            inputs, weighed = inputs[:, -self.delays :], weighed[:, -1:]
            before, fed_back = before[:, -1:], fed_back[:, -1:]
        current = with_value(self._affine(inputs, training), weighed)
        current += with_value(self.recurrent(before), fed_back)
        return spikes, self._samples(self._rest(current, training))

    def firing_rates(self, spikes):
        spikes = spikes[:, -1:] if self.learns_from == "last" else spikes
        return self._samples(ops.mean(ops.cast(spikes, "float32"), axis=2))

    def _samples(self, values):
        """Of what each element has, `(batch * elements, units)`."""
        return ops.reshape(values, (-1, self.units))

    def _with_past(self, inputs, past=None):
        """The elements' rates behind those that came before, `(batch, delays - 1 + elements, features)`."""
        rates = inputs if self.timesteps else ops.mean(inputs, axis=2)
        if past is None:
            past = self.get_initial_state(ops.shape(rates)[0])[0]
        return ops.concatenate([ops.cast(past, rates.dtype), rates], axis=1)

    def _loop(self, weighed, states=None):
        """Recurrent part of the currents, spikes, and the last states."""
        if states is None:
            states = self.get_initial_state(ops.shape(weighed)[0])[1:]

        def element(states, inputs):
            *membranes, spikes = states
            fed_back = self.recurrent(ops.mean(spikes, axis=1))
            current = self._rest(inputs[0] + fed_back, False)
            fired = []
            for _ in range(self._steps):
                spikes, membranes = self.neuron.cell(current, membranes)
                fired.append(spikes)
            fired = ops.stack(fired, axis=1)
            return [fed_back, *membranes[1:], fired], [*membranes, fired]

        outputs, states = over_time(element, states, [weighed], unroll=1)
        return outputs[0], outputs[-1], states

    def backward_synapse(self):
        return [keras.layers.Dense(*self.input_features)]


def map_stop(tensors):
    return keras.tree.map_structure(ops.stop_gradient, tensors)
