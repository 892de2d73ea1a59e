"""The rate rule: an update costs one product, whatever the number of time steps."""

from keras_bsd._backend.custom_gradient import with_value


def rate_rule(stage, inputs, training):
    """Return spikes and firing rates; the gradient of the rates needs no loop back through time.

    The derivative of a neuron's rate by its current is accumulated beside the membrane, forward in time
    (`SpikingLIFCell.linearize`). A weight's update is then one product of presynaptic rate and local error.
    """
    spikes, _, response = stage.linearized(inputs, training)
    rates = stage.firing_rates(spikes)
    return spikes, with_value(response, rates)
