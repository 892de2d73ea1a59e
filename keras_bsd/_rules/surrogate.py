"""The surrogate rule: backpropagation through time within one stage."""


def surrogate_rule(stage, inputs, training):
    """Return spikes, and firing rates with their exact surrogate gradient through this stage's time loop."""
    spikes = stage.spikes(inputs, training)
    return spikes, stage.firing_rates(spikes)
