"""Online training through time: spatial backpropagation with traces of presynaptic spikes."""

import keras
from keras import ops

from keras_bsd._backend.custom_gradient import with_gradient_of_both
from keras_bsd._types import Function, Model
from keras_bsd.baselines._spatial import SpatialBackprop
from keras_bsd.baselines._traces import traced_currents, without_traces
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
    uncounted = (*SpatialBackprop.uncounted, "multiplication by traces in place of sums over spikes")

    @classmethod
    def obstacle(cls, encoder: Model, task: Task) -> str | None:
        return without_traces(encoder) or super().obstacle(encoder, task)

    def _rule(self) -> Function:
        return ottt_rule


def ottt_rule(stage, inputs, training):
    """Return spikes and firing rates; a weight's gradient is that of the traces of its inputs."""
    traced = traced_currents(stage, keras.tree.map_structure(ops.stop_gradient, inputs), training)
    variables = stage.synapse.variables
    with keras.StatelessScope([(variable, ops.stop_gradient(variable.value)) for variable in variables]):
        currents = stage.currents(inputs, training)  # through which errors pass to the stage before
    if stage.timesteps is not None:
        currents = hold(currents, stage.timesteps)
    spikes = stage.neuron(with_gradient_of_both(currents, traced), cut_time=True)
    return spikes, stage.firing_rates(spikes)
