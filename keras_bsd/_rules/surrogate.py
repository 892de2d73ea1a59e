"""The surrogate rule: backpropagation through time within one stage."""


def surrogate_rule(stage, inputs, training):
    """Return spikes and firing rates; the gradient of the rates goes through this stage's loop over time."""
    spikes = stage.spikes(inputs, training)
    return spikes, stage.firing_rates(spikes)
