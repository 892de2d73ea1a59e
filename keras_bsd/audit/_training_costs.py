"""Products of weights with signals and errors in a training step, by rule."""

from typing import NamedTuple

TRAINING_RULES = ("backprop", "rate", "surrogate")


class TrainingCost(NamedTuple):
    """Operations of training for one sample.

    Attributes:
        macs: multiply-accumulates.
        acs: accumulates, where binary presynaptic signals select the summands.
        products: the number of products if spikes are multiplied like other numbers.
    """

    macs: float
    acs: float
    products: float


def count_training(encoder, decoder, runs):
    """Count the products of all synapses, forward and for the update, under each rule.

    With a forward pass of `T` units, backpropagation through time takes `T` for the gradient of the weights
    and `T` for the gradient of the inputs, which the first layer does not need. The surrogate rule takes `T`
    for the weights alone, the rate rule 1. Layers behind another one of the same stage need the gradient of
    their inputs under every rule. Where the inputs are spikes, the forward product and the gradient of the
    weights through time are sums over spikes. Neurons, normalisation, the optimiser and local readouts are not
    counted.

    Args:
        encoder, decoder: `LayerCost`s of the two networks, without recurrent stages.
        runs: how often the decoder runs for each sample of the encoder.

    Returns:
        Dict from `"backprop"` (of the encoder alone), `"rate"` and `"surrogate"` to `TrainingCost`.
    """
    costs = {}
    for rule in TRAINING_RULES:
        totals = _count_network(encoder, rule)
        if rule != "backprop":
            backward = _count_network(decoder, rule)
            totals = [a + runs * b for a, b in zip(totals, backward, strict=True)]
        costs[rule] = TrainingCost(*totals)
    return costs


def _count_network(layers, rule):
    kernels = [layer for layer in layers if layer.synapses]
    macs = acs = products = 0
    for i, layer in enumerate(kernels):
        every = layer.synapses * layer.steps
        macs, acs, products = macs + layer.macs, acs + layer.synaptic_operations, products + every
        if rule == "rate":  # the mean over time is not binary
            macs, products = macs + layer.synapses, products + layer.synapses
        else:
            macs, acs, products = macs + layer.macs, acs + layer.synaptic_operations, products + every
        if layer.is_inner or (rule == "backprop" and i > 0):
            back = layer.synapses if rule == "rate" else every
            macs, products = macs + back, products + back
    return macs, acs, products
