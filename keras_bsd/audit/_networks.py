"""Helpers for the networks that are audited."""

import contextlib

import numpy as np

from keras_bsd._observe import arrays
from keras_bsd.layers._stage import SpikingStage, flatten_stages, stage_names
from keras_bsd.models._structure import check_built


def checked_network(model, name="model"):
    """Return the encoder of a pair, or a model itself, or raise unless it is built and has one input."""
    network = getattr(model, "encoder", model)
    check_built(network, name)
    if len(network.inputs) != 1:
        raise ValueError(f"`{name}` must have one input. Received: '{network.name}' with {len(network.inputs)}")
    return network


def checked_spiking_network(model):
    """Return what `checked_network` does, or raise unless it has a spiking stage."""
    network = checked_network(model)
    if not flatten_stages(network, SpikingStage):
        layers = [layer.name for layer in network.layers]
        raise ValueError(f"`model` must have a spiking stage. Received: '{network.name}' with {layers=}")
    return network


def networks(model):
    """Return a dict from `"encoder"`, and of a pair `"decoder"`, to that network."""
    return {name: getattr(model, name) for name in ("encoder", "decoder") if hasattr(model, name)}


def stages_by_network(model):
    """Return a dict from the names of `networks` to a dict from that network's stages to their names."""
    return {name: stage_names(network) for name, network in networks(model).items()}


@contextlib.contextmanager
def unchanged(model):
    """Let a compiled model learn within the block, and restore its variables afterwards."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    before = [np.array(array) for array in arrays(variables)]
    try:
        yield
    finally:
        model.reset_metrics()  # also those that were created within the block
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
