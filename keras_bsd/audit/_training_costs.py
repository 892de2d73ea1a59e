"""Products of weights with signals and errors in a training step, by rule."""

import math
from typing import NamedTuple

BACKPROP = "backprop"
TRAINING_RULES = (BACKPROP, "rate", "surrogate")


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


def count_pair(encoder, decoder, runs, readouts):
    """Count the products of all synapses of a pair, forward and for the update, under each rule.

    Where the inputs are spikes, the forward product and the gradient of the weights through time are sums over
    spikes. Neurons, normalisation and the optimiser are not counted.

    Args:
        encoder, decoder: `LayerCost`s of the two networks, without recurrent stages.
        runs: how often the decoder runs for each sample of the encoder.
        readouts: `LocalReadout`s of the encoder's stages.

    Returns:
        Dict from `"backprop"` (of the encoder alone), `"rate"` and `"surrogate"` to `TrainingCost`.
    """
    costs = {BACKPROP: _count_network(encoder, passes_errors=True)}
    for rule in TRAINING_RULES[1:]:
        both = [_count_network(layers, at_mean=rule == "rate") for layers in (encoder, decoder)]
        of_networks = TrainingCost(*(a + runs * b for a, b in zip(*both, strict=True)))
        costs[rule] = _with(of_networks, _count_readouts(readouts))
    return costs


def count_baseline(layers, model):
    """Count the products of a model of `keras_bsd.baselines`, as for a pair, and those beside the encoder.

    A feedback layer through which signals reach a stage takes one product for each sample.

    Args:
        layers: `LayerCost`s of the encoder, without recurrent stages.
        model: `keras_bsd.baselines.Baseline`.

    Returns:
        Dict from `"backprop"` and the rule's name to `TrainingCost`.
    """
    passes_errors = len(model.owners()) == 1  # only the readout has a loss of its own
    cost = _count_network(layers, model.learns_without_record, passes_errors, model.rows_per_sample)
    beside = _count_readouts(model.stage_readouts)
    if not passes_errors:  # otherwise the feedback layers are in place of the transposed weights
        beside += sum(map(_size, model.feedback))
    return {BACKPROP: _count_network(layers, passes_errors=True), model.rule_name: _with(cost, beside)}


def _count_readouts(readouts):
    """Return the products of local readouts: outputs, errors back to the stage, and the update if it learns."""
    return sum(readout.products * (3 if readout.trainable else 2) for readout in readouts)


def _with(cost, products):
    """Return a `TrainingCost` with further products of values that are not binary."""
    return TrainingCost(cost.macs + products, cost.acs, cost.products + products)


def _size(layer):
    return sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1)


def _count_network(layers, at_mean=False, passes_errors=False, rows=1):
    """Return the `TrainingCost` of a network.

    With a forward pass of `T` units the gradient of the weights takes `T`, or 1 at the mean over time, which is
    not binary. The gradient of the inputs takes as many, where errors pass to the layer before: behind another
    layer of the same stage under every rule, otherwise only where they pass between stages.

    Args:
        layers: `LayerCost`s.
        at_mean: bool, whether updates are of means over time.
        passes_errors: bool, whether errors pass from stage to stage.
        rows: stimuli that the network processes for each sample.
    """
    kernels = [layer for layer in layers if layer.synapses]
    macs = acs = products = 0
    for i, layer in enumerate(kernels):
        every = layer.synapses * layer.steps
        macs, acs, products = macs + layer.macs, acs + layer.synaptic_operations, products + every
        if at_mean:
            macs, products = macs + layer.synapses, products + layer.synapses
        else:
            macs, acs, products = macs + layer.macs, acs + layer.synaptic_operations, products + every
        if layer.is_inner or (passes_errors and i > 0):
            back = layer.synapses if at_mean else every
            macs, products = macs + back, products + back
    return TrainingCost(rows * macs, rows * acs, rows * products)
