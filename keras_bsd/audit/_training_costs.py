"""Products of weights with signals and errors in a training step, by rule."""

from typing import NamedTuple

from keras_bsd.layers._kinds import KERNEL_LAYERS

KERNEL_NAMES = tuple(kind.__name__ for kind in KERNEL_LAYERS)
TRAINING_RULES = ("backprop", "rate", "surrogate")


class TrainingCost(NamedTuple):
    """What training takes for one sample."""

    macs: float
    acs: float  # where a binary presynaptic signal chooses what is summed
    products: float  # if spikes are multiplied like other numbers


def count_training(encoder, decoder, runs):
    """Products of all synapses, forward and for the update, under each rule.

    With a forward pass of `T` units, backpropagation through time takes `T` for the weights' gradient
    and `T` for that of what came in, which the first layer is spared; the surrogate rule takes `T` for the
    weights alone, the rate rule 1. Layers behind another of the same stage need the gradient of what
    came in under every rule. Where spikes come in, the forward product and the weights' gradient through
    time are sums over spikes. Not counted are neurons, normalisation, the optimiser and local readouts.

    Args:
        encoder, decoder: `LayerCost`s of the two networks.
        runs: of the decoder for each sample of the encoder.

    Returns:
        Dict from `"backprop"` (of the encoder alone), `"rate"` and `"surrogate"` to `TrainingCost`.
    """
    found = {}
    for rule in TRAINING_RULES:
        totals = _network(encoder, rule)
        if rule != "backprop":
            backward = _network(decoder, rule)
            totals = [a + runs * b for a, b in zip(totals, backward, strict=True)]
        found[rule] = TrainingCost(*totals)
    return found


def _network(layers, rule):
    kernels = [layer for layer in layers if layer.kind in KERNEL_NAMES]
    macs = acs = products = 0
    for i, layer in enumerate(kernels):
        every = layer.synapses * layer.steps
        macs, acs, products = macs + layer.macs, acs + layer.synaptic_operations, products + every
        if rule == "rate":  # the mean over time is no spike
            macs, products = macs + layer.synapses, products + layer.synapses
        else:
            macs, acs, products = macs + layer.macs, acs + layer.synaptic_operations, products + every
        inner = i > 0 and kernels[i - 1].stage == layer.stage
        if inner or (rule == "backprop" and i > 0):
            back = layer.synapses if rule == "rate" else every
            macs, products = macs + back, products + back
    return macs, acs, products
