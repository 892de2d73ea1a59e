"""The rate rule: an update costs one product, whatever the number of time steps."""

from keras import ops


def rate_rule(stage, inputs, training):
    """Return spikes and firing rates; the gradient of the rates needs no loop over time.

    The value is the true firing rate. Its derivative is the surrogate's at the time-averaged current, centred
    on the current at which a neuron fires at every other step. A weight's update is then one product of
    presynaptic rate and local error.
    """
    spikes, mean_current = stage.spikes_and_mean_current(inputs, training)
    rates = stage.firing_rates(spikes)
    cell = stage.neuron.cell
    half_rate_current = cell.threshold / (1 + cell.leak)
    response = ops.cast(cell.surrogate(mean_current - half_rate_current), rates.dtype)
    return spikes, ops.stop_gradient(rates - response) + response
