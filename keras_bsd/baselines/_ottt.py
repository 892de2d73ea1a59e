"""Online training through time: spatial backpropagation with traces of presynaptic spikes."""

import keras
import numpy as np
from keras import ops

from keras_bsd._backend.custom_gradient import custom_gradient, with_gradient_of_both
from keras_bsd._types import Function, Model
from keras_bsd.baselines._spatial import SpatialBackprop
from keras_bsd.baselines._traces import constant_leak, without_constant_leak
from keras_bsd.layers._time_loop import hold
from keras_bsd.models._spiking_model import Task


@keras.saving.register_keras_serializable("keras_bsd")
class OTTT(SpatialBackprop):
    """Online training through time: updates of traces of presynaptic spikes and the errors of each time step.

    With the leak `beta` of the neurons and the spikes `s[t]` before a synapse, the trace is

        a[t] = beta a[t - 1] + s[t]

    and the update at time step `t` the product of the error `delta[t]` of `SpatialBackprop` and `a[t]`. What
    earlier spikes did to the membrane so counts, except for the reset. It is online, and its memory could do
    without time; in space it is backpropagation.

    Args:
        encoder, task, stimulus_range, check_numerics, **kwargs: see `Baseline`. The encoder has no recurrent
            stages, ends in its readout, and its neurons are leaky integrate-and-fire or without a leak; those
            of a stage share one leak, which is not learned.

    Example:

    >>> encoder = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6)).encoder
    >>> model = keras_bsd.baselines.OTTT(encoder)
    >>> model.compile(keras.optimizers.AdamW(3e-3), metrics=["accuracy"])
    >>> tuple(model(np.zeros((2, 4))).shape)
    (2, 3)

    Source: Xiao et al., "Online training through time for spiking neural networks", NeurIPS 2022.
    """

    title = "online training through time"

    @classmethod
    def obstacle(cls, encoder: Model, task: Task) -> str | None:
        return without_constant_leak(encoder) or super().obstacle(encoder, task)

    def _rule(self) -> Function:
        return ottt_rule


def ottt_rule(stage, inputs, training):
    """Return spikes and firing rates; a weight's gradient is that of the traces of its inputs."""
    if stage.timesteps is not None:  # what is held has the same current at every step
        currents = hold(stage.currents(inputs, training), stage.timesteps)
        currents = _scale_gradient(currents, _kernel(stage, stage.timesteps).sum(axis=1))
    else:
        steps = inputs.shape[1]
        traces = ops.tensordot(ops.cast(_kernel(stage, steps), inputs.dtype), inputs, axes=(1, 1))
        traces = ops.stop_gradient(ops.moveaxis(traces, 0, 1))
        variables = stage.synapse.variables
        with keras.StatelessScope([(variable, ops.stop_gradient(variable.value)) for variable in variables]):
            affine = stage.affine_part(inputs, training)
        affine = with_gradient_of_both(affine, stage.affine_part(traces, training))
        currents = stage.remaining_part(affine, training)
    spikes = stage.neuron(currents, cut_time=True)
    return spikes, stage.firing_rates(spikes)


def _kernel(stage, steps):
    """Return the share of each time step in each trace, `(steps, steps)`."""
    later, earlier = np.indices((steps, steps))
    return np.where(earlier <= later, constant_leak(stage) ** np.maximum(later - earlier, 0.0), 0.0).astype(
        "float32"
    )


def _scale_gradient(values, factors):
    """Return `values` `(batch, time, ...)` whose gradient is multiplied by a factor for each time step."""
    factors = factors.reshape(1, -1, *[1] * (len(values.shape) - 2))
    scale = custom_gradient(lambda x: x, lambda upstream, x: upstream * ops.cast(factors, upstream.dtype))
    return scale(values)
