"""e-prop: eligibility traces that neurons carry forward in time, and the error of the output."""

from typing import Any

import keras
from keras import ops

from keras_bsd._backend.custom_gradient import with_value
from keras_bsd._types import Function, Model
from keras_bsd.baselines._direct_feedback_alignment import DirectFeedbackAlignment
from keras_bsd.baselines._traces import constant_leak, leaky_sums, traced_currents, without_traces
from keras_bsd.layers._masks import active_mask
from keras_bsd.layers._recurrent import SpikingRecurrent
from keras_bsd.models._spiking_model import Task


@keras.saving.register_keras_serializable("keras_bsd")
class EProp(DirectFeedbackAlignment):
    """Random e-prop: eligibility traces that are carried forward, and direct random feedback of the error.

    With the leak `beta` of the neurons, the signal `x_i[t]` before a synapse and the surrogate's derivative
    `h_j[t]`, the trace and the eligibility of the synapse from `i` to `j` are

        a_i[t] = beta a_i[t - 1] + x_i[t];    e_ij[t] = h_j[t] a_i[t]

    and its update is the sum over the targets' elements of the error `B e` at neuron `j`, as with
    `DirectFeedbackAlignment`, times the mean of `e_ij` over the time steps of the element. The traces of a
    recurrent stage pass from element to element, so that an error reaches inputs and rates of the stage as far
    back as membranes remember. What a spike does to later ones, by the reset or by the feedback weights, is in
    no trace.

    Currents that are normalised have the derivative of that at the present time step, for earlier inputs too.
    Each element of a sequence with one target has the error of that target.

    Args:
        encoder, task, stimulus_range, check_numerics, **kwargs: see `Baseline`. The neurons are leaky
            integrate-and-fire or without a leak; those of a stage share one leak, which is not learned.

    Attributes:
        feedback: list of layers whose kernels are the `B`, by stage.

    Example:

    >>> encoder = keras_bsd.applications.SpikingRNN((20, 16), classes=3, units=(8,)).encoder
    >>> model = keras_bsd.baselines.EProp(encoder)
    >>> model.compile(keras.optimizers.AdamW(6e-3), metrics=["accuracy"])
    >>> tuple(model(np.zeros((2, 20, 16))).shape)
    (2, 3)

    Source: Bellec et al., "A solution to the learning dilemma for recurrent networks of spiking neurons",
    Nature Communications 2020.
    """

    title = "e-prop with random feedback"
    _config_keys = ()

    def __init__(self, encoder: Model, task: Task = "classification", **kwargs: Any) -> None:
        super().__init__(encoder, task, **kwargs)
        self.rule: Any = None  # it has one of its own

    @classmethod
    def obstacle(cls, encoder: Model, task: Task) -> str | None:
        return without_traces(encoder) or super().obstacle(encoder, task)

    def _stage_rule(self) -> Function:
        return eprop_rule

    @property
    def learns_without_record(self) -> bool:
        return all(isinstance(stage, SpikingRecurrent) for stage in self.encoder_stages)


def eprop_rule(stage, inputs, training):
    """Return spikes and firing rates; a weight's gradient is that of its eligibility traces."""
    if isinstance(stage, SpikingRecurrent):
        return _over_elements(stage, inputs, training)
    held = stage.timesteps is not None
    options = {} if held or active_mask() is None else {"mask": active_mask()}
    spikes = stage.neuron(traced_currents(stage, inputs, training), cut_time=True, **options)
    return spikes, stage.firing_rates(spikes)


def _over_elements(stage, inputs, training):
    """Return spikes and firing rates of a recurrent stage.

    An element's time steps have one input `x[n]`, so that their traces are shares of two: those of `x[n]`, and
    the share that is left of the trace `E[n - 1]` after the element before. A weight's update is the sum of two
    products, `a[n] E[n - 1] + b[n] x[n]`, whatever the number of time steps.
    """
    leak = constant_leak(stage)
    eligibility = _Eligibility(stage.neuron.cell, leak)
    spikes, trace = stage.trace_elements(inputs, training, eligibility)
    decay, gain = leak**trace.steps, sum(leak**step for step in range(trace.steps))

    def earlier(values):
        sums = gain * leaky_sums(values, decay)
        return ops.concatenate([ops.zeros_like(sums[:, :1]), sums[:, :-1]], axis=1)

    constant = earlier(ops.ones_like(trace.rates[..., :1]))
    traces = earlier(trace.inputs), earlier(trace.before)
    currents = [
        stage.current_at_targets(trace, *traces, training, ops.maximum(constant, 1)),
        stage.current_at_targets(trace, trace.inputs, trace.before, training),
    ]
    weights = [trace.at_targets(slope) / trace.steps for slope in trace.slopes]
    weights[0] = weights[0] * ops.cast(trace.at_targets(constant), weights[0].dtype)
    response = trace.as_samples(eligibility.response(currents, weights))
    return spikes, with_value(response, stage.firing_rates(spikes))


class _Eligibility:
    """What the loop over elements carries beside a cell's states: sums of eligibilities over an element.

    Args:
        cell: neurons.
        leak: float.
    """

    def __init__(self, cell, leak):
        self._cell, self._leak = cell, leak
        self.directions = ("earlier", *cell.directions)

    def with_tangents(self, states):
        """Return states, and what is carried within an element: shares of its inputs in the trace, and sums."""
        earlier, present = ops.ones_like(states[0]), ops.zeros_like(states[0])
        return [*states, earlier, present, *[ops.cast(present, "float32")] * len(self.directions)]

    def linearize(self, inputs, states):
        """Process one time step, see `SpikingCell.linearize`; the reset is in no trace."""
        resting, count = len(self._cell.state_names), len(self._cell.directions)
        states, (earlier, present), sums = (
            states[:resting],
            states[resting : resting + 2],
            states[resting + 2 :],
        )
        # By derivatives that start at this time step: the slopes.
        spikes, after = self._cell.linearize(inputs, self._cell.with_tangents(states))
        slope, *of_parameters = after[-count:]
        earlier, present = self._leak * earlier, self._leak * present + 1
        changes = [slope * ops.cast(share, slope.dtype) for share in (earlier, present)] + of_parameters
        sums = [total + ops.cast(change, total.dtype) for total, change in zip(sums, changes, strict=True)]
        return spikes, [ops.stop_gradient(x) for x in (*after[:resting], earlier, present, *sums)]

    def response(self, currents, weights):
        """Return the weighted sum of currents and of what neurons learn."""
        values = [*currents, *(getattr(self._cell, name) for name in self.directions[2:])]
        return sum(w * ops.cast(value, w.dtype) for w, value in zip(weights, values, strict=True))
