"""The rule of decoders that teach by their currents."""

from keras import ops


def current_rule(stage, inputs, training):
    """Return spikes and the mean currents, of which a rate of few time steps is a coarse image."""
    spikes, mean_current, _ = stage.linearized(inputs, training)
    return spikes, ops.cast(mean_current, "float32")
