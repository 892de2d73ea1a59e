"""The recurrent stage: sequences of elements, and a state that is carried from one element to the next."""

from typing import Any, Literal, get_args

import keras
from keras import ops

from keras_bsd import _checks, _state_scope
from keras_bsd._backend.custom_gradient import with_value
from keras_bsd._saving import rename_keys
from keras_bsd._types import Config, Shape, Tensor
from keras_bsd.layers._base import Stage, Targets
from keras_bsd.layers._element_trace import ElementTrace
from keras_bsd.layers._masks import (
    active_mask,
    count_elements,
    expand_like,
    gather,
    mask_of,
    take_last,
    unmasked_first,
)
from keras_bsd.layers._neurons import Neuron
from keras_bsd.layers._stage import ConfiguredStage
from keras_bsd.layers._time_loop import is_at_once, scan_over_time


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingRecurrent(ConfiguredStage):
    """Recurrent spiking stage for sequences, which learns locally in time as well.

    Each element `n` of a sequence is held for `k` time steps as a current of the neurons,

        I[n] = norm(sum_d W_d x[n - d] + R r[n - 1]),    d = 0 .. delays - 1,

    where `x` is an element, or the firing rates of the stage before at that element, and `r` are the firing
    rates of this stage. Membranes are carried from element to element.

    By `rule="rate"` of `keras_bsd.BSDModel` an update is a product of the local error at an element with the
    rates before it, `x` and `r`: no gradient goes back through time. Beyond the previous element, whose rates
    the feedback carries, a stage then learns dependencies by its delays alone. By `rule="surrogate"`, and by
    backpropagation, gradients go back through all elements.

    Within a `keras_bsd.StateScope` the stage carries its state from call to call.

    Args:
        units: positive int.
        delays: positive int, the number of elements, up to the present one, that synapses receive.
        timesteps: positive int, `k`, for the first stage: its input is a sequence of stimuli.
        targets: `"all"` if each element of a sequence is a sample with its own target, `"last"` if the
            sequence is one sample, whose representation is that of its last element.
        feedback_gain: non-negative float, the gain of the orthogonal initial feedback weights. At 1 feedback
            may outweigh the input.
        normalization: of each element's currents: `"layer"` or `None`.
        neuron: a `SpikingLIF`, other `SpikingNeurons` or a `SpikingCell` (default: `SpikingLIF()`).

    Call arguments:
        inputs: spikes `(batch, elements, time, features)`, or with `timesteps` stimuli
            `(batch, elements, features)`. Returns spikes `(batch, elements, time, units)`.
        mask: booleans `(batch, elements)`; elements where it is false are skipped, as if they were not there:
            their neurons do not spike, and no state changes. The last element is the last that is not skipped.

    Raises:
        ValueError: an argument is out of range or unknown, or the input has other axes.

    Example:

    >>> stage = keras_bsd.layers.SpikingRecurrent(16, delays=3, timesteps=4)
    >>> tuple(stage(keras.random.normal((2, 10, 5))).shape)
    (2, 10, 4, 16)

    Source: Bellec et al., "A solution to the learning dilemma for recurrent networks of spiking neurons",
    Nature Communications 2020, for recurrent spiking networks and what learning that is local in time cannot
    reach.
    """

    _config_keys = ("units", "delays", "targets", "feedback_gain", "normalization")
    takes_elements = True

    def __init__(
        self,
        units: int,
        delays: int = 1,
        timesteps: int | None = None,
        targets: Targets = "all",
        feedback_gain: float = 1.0,
        normalization: Literal["layer"] | None = "layer",
        neuron: Neuron | None = None,
        **kwargs: Any,
    ) -> None:
        self.units = _checks.integer("units", units, low=1)
        self.delays = _checks.integer("delays", delays, low=1)
        self.targets = _checks.one_of("targets", targets, get_args(Targets))
        self.feedback_gain = _checks.real("feedback_gain", feedback_gain, low=0.0)
        self.normalization = _checks.one_of("normalization", normalization, ("layer", None))
        dtype, use_bias = kwargs.get("dtype"), normalization is None
        synapse = [
            keras.layers.Conv1D(units, delays, data_format="channels_last", use_bias=use_bias, dtype=dtype)
        ]
        if normalization == "layer":
            synapse.append(keras.layers.LayerNormalization(dtype=dtype))
        super().__init__(synapse, neuron, timesteps, **kwargs)
        if self.neuron.stateful:
            raise ValueError(
                f"`neuron` must not be stateful, since stage '{self.name}' carries its neurons' state itself. "
                f"Received: neuron={neuron!r}"
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

    def build(self, input_shape: Shape) -> None:
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
        self._build_neuron((None, self._steps, self.units))
        self.input_features, self.output_features = (features,), (self.units,)
        Stage.build(self, input_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:2], self.timesteps or input_shape[2], self.units)

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("inputs", *self.neuron.cell.state_names, "rates")

    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        """Return the state before the first element: earlier inputs and rates of zero, membranes at rest."""
        return [
            ops.zeros((batch_size, self.delays - 1, *self.input_features), self.compute_dtype),
            *self.neuron.cell.get_initial_state(batch_size),
            ops.zeros((batch_size, self.units), self.compute_dtype),
        ]

    def step(self, inputs: Tensor, states: list[Tensor], training: bool = False) -> tuple[Tensor, list[Tensor]]:
        """Process one element.

        Args:
            inputs: spikes `(batch, time, features)`, or with `timesteps` a stimulus `(batch, features)`.
            states: list of tensors, from `get_initial_state` or from the previous element.
            training: bool.

        Returns:
            Spikes `(batch, time, units)`, and the new states.
        """
        trace, states = self._loop(ops.expand_dims(inputs, 1), states, training)
        return trace.spikes[:, 0], states

    def spikes(self, inputs: Tensor, training: bool) -> Tensor:
        trace = self._carried_loop(inputs, training)
        return trace.in_place(trace.spikes)

    def linearized(self, inputs: Tensor, training: bool) -> tuple[Tensor, Tensor, Tensor]:
        cell = self.neuron.cell
        spikes, trace = self.trace_elements(inputs, training, cell)
        current = self.current_at_targets(trace, trace.inputs, trace.before, training)
        response = cell.response(current, [trace.at_targets(slope) for slope in trace.slopes], self._steps)
        return spikes, trace.as_samples(current), trace.as_samples(response)

    def trace_elements(self, inputs: Tensor, training: bool, linearizer: Any) -> tuple[Tensor, ElementTrace]:
        """Return detached spikes, or without a record of them rates, and the trace of a loop over all elements.

        Args:
            inputs: see `call`.
            training: bool.
            linearizer: object with `directions`, `with_tangents` and `linearize` as those of the neurons' cell,
                such as that cell. What it carries beside the neurons' states starts from zero at each element.
        """
        trace = self._carried_loop(inputs, training, linearizer)
        return ops.stop_gradient(trace.in_place(self._spikes_or_rates(trace))), trace

    def current_at_targets(
        self,
        trace: ElementTrace,
        inputs: Tensor,
        before: Tensor,
        training: bool,
        constant: Tensor | None = None,
    ) -> Tensor:
        """Return the currents of elements with targets; a weight's gradient is that of presynaptic signals.

        Args:
            trace: result of `trace_elements`, which has the value of the currents.
            inputs: signals before the synapse, `(batch, delays - 1 + elements, features)`.
            before: signals before the feedback weights, `(batch, elements, units)`.
            training: bool.
            constant: `(batch, elements, 1)`, positive, the signal before the bias if it is not 1. All signals
                are divided by it.
        """
        affine = self._apply_affine(trace.at_targets(inputs, self.delays - 1), training)
        feedback = self.recurrent(trace.at_targets(before))
        if constant is not None:
            constant = ops.cast(trace.at_targets(constant), affine.dtype)
            bias = self._apply_affine(ops.zeros((1, self.delays, *self.input_features), affine.dtype), training)
            affine, feedback = (affine - bias) / constant + bias, feedback / constant
        current = with_value(affine, trace.at_targets(trace.affine))
        current = current + with_value(feedback, trace.at_targets(trace.feedback))
        return self._apply_remaining(current, training)

    def _spikes_or_rates(self, trace):
        """Return the spikes, or without a record of them an element's rates at each of its time steps.

        Synapses take the mean over an element's time steps, which is the same of both.
        """
        if trace.spikes is not None:
            return trace.spikes
        batch, elements, units = ops.shape(trace.rates)
        return ops.broadcast_to(trace.rates[:, :, None], (batch, elements, self._steps, units))

    def firing_rates(self, spikes: Tensor) -> Tensor:
        spikes = take_last(spikes, active_mask())[:, None] if self.targets == "last" else spikes
        return ops.reshape(ops.mean(ops.cast(spikes, "float32"), axis=2), (-1, self.units))

    def _call_single_step(self, inputs, training):
        return self.call_local(inputs, training)  # in any scope, an element takes all its time steps

    def _carried_loop(self, inputs, training, linearizer=None):
        """Run over all elements, from the state of the active `StateScope` if there is one, or from rest."""
        states = _state_scope.initial_state(self, ops.shape(inputs)[0])
        trace, states = self._loop(inputs, states, training, linearizer)
        _state_scope.store_state(self, states)
        return trace

    def _loop(self, inputs, states, training, linearizer=None):
        """Return the `ElementTrace` of a loop over all elements, and the state after it.

        Spikes are recorded unless only the update needs the loop, which takes rates.
        """
        records = linearizer is None or is_at_once()
        past, *membranes, initial_rates = states
        cell = self.neuron.cell
        step = cell if linearizer is None else linearizer.linearize
        resting = len(cell.state_size)
        carried = membranes
        if linearizer is not None:  # at each element anew: no derivative goes beyond it
            carried = [*membranes, *linearizer.with_tangents(membranes)[-len(linearizer.directions) :]]
        states = [*carried, initial_rates]
        if records:  # as a state, since outputs must have the shapes of states
            states.append(ops.zeros((ops.shape(initial_rates)[0], self._steps, self.units), self.compute_dtype))
        rates = inputs if self.timesteps else ops.mean(inputs, axis=2)
        rates = ops.cast(rates, self.compute_dtype)
        mask, order = active_mask(), None
        if mask is not None:  # skipped elements go behind the others, and change nothing there
            order = unmasked_first(mask)
            rates, skipping = gather(rates, order), gather(mask, order)
        inputs = ops.concatenate([past, rates], axis=1)
        affine = self._apply_affine(inputs, training)

        def element(states, inputs):
            membranes, before = states[:resting], states
            feedback = self.recurrent(states[len(carried)])
            current = self._apply_remaining(inputs[0] + feedback, training)
            traced = membranes if linearizer is None else linearizer.with_tangents(membranes)
            steps = []
            for _ in range(self._steps):
                spikes, traced = step(current, traced)
                steps.append(spikes)
            sums = [] if linearizer is None else traced[-len(linearizer.directions) :]
            spikes = ops.stack(steps, axis=1)
            after = [*traced[:resting], *sums, ops.mean(spikes, axis=1), *[spikes] * records]
            outputs = [feedback, *after[1:]]
            if mask is not None:
                after = [
                    ops.where(expand_like(inputs[1], new), new, old)
                    for new, old in zip(after, before, strict=True)
                ]
                fired = slice(len(carried), None)
                outputs[fired] = [x * ops.cast(expand_like(inputs[1], x), x.dtype) for x in outputs[fired]]
            return outputs, after

        sequences = [affine] if mask is None else [affine, mask_of(affine, skipping)]
        (feedback, *outputs), final = scan_over_time(element, states, sequences, unroll=1)
        past = inputs[:, ops.shape(inputs)[1] - self.delays + 1 :]
        if mask is not None and self.delays > 1:
            past = gather(inputs, count_elements(mask) + ops.arange(self.delays - 1, dtype="int32")[None])
        slopes, (rates, *spikes) = outputs[resting - 1 : len(carried) - 1], outputs[len(carried) - 1 :]
        before, recorded = initial_rates[:, None], spikes[0] if spikes else None
        trace = ElementTrace(
            inputs, affine, feedback, rates, before, recorded, slopes, mask, order, self.targets, self._steps
        )
        return trace, [past, *final[:resting], final[len(carried)]]

    def _inner_layers(self):
        return [*super()._inner_layers(), self.recurrent]

    @classmethod
    def from_config(cls, config: Config) -> Stage:
        return super().from_config(rename_keys(config, {"learns_from": "targets"}))  # named so in version 0.1
