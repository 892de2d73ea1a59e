"""The tensors that pass between stages, recorded from a model that stays as it was."""

import contextlib
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks
from keras_bsd._backend import compiled
from keras_bsd._observe import arrays, observe
from keras_bsd.layers._stage import SpikingStage, Stage, flatten_stages


@contextlib.contextmanager
def unchanged(model):
    """Within the block a compiled model may learn: afterwards its variables are as they were."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    before = [np.array(array) for array in arrays(variables)]
    try:
        yield
    finally:
        model.reset_metrics()  # of metrics that were made meanwhile
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def fits(x, network):
    """Whether an array is a batch of what a network takes, whose axes may be of any length."""
    return x.ndim > 0 and _checks.shape_matches(x.shape[1:], network.input_shape[1:])


def stages_by_network(model):
    """Dict from `"encoder"` and `"decoder"` to all stages of that network, readouts included."""
    return {name: flatten_stages(getattr(model, name), Stage) for name in ("encoder", "decoder")}


class Crossing(NamedTuple):
    """A tensor on its way into a stage, or out of a spiking one."""

    network: str  # "encoder" or "decoder"
    stage: str
    way: str  # "into" or "out of"
    outer: bool  # what the network's first stage got too: stimulus or concept, not another stage's work
    values: np.ndarray

    def __str__(self):
        return f"{self.way} {self.network} stage '{self.stage}'"


def crossings(model, x, y, silenced=None):
    """What passes between stages while a pair compares its two networks on a batch.

    Args:
        model: `keras_bsd.BSDModel`, compiled.
        x, y: stimuli and targets, `(batch, ...)`.
        silenced: `"encoder"` or `"decoder"`, of whose stages nothing but zeros come; or None.

    Returns:
        List of `Crossing`, in the order in which they are made. The model stays as it is.
    """
    by_network = stages_by_network(model)
    networks = {stage: name for name, stages in by_network.items() for stage in stages}
    labels = []

    def run(x, y):
        tensors = []

        def note(stage, arguments, outputs):
            ways = {"into": arguments[0], "out of": outputs if isinstance(stage, SpikingStage) else []}
            for way, structure in ways.items():
                for tensor in keras.tree.flatten(structure):
                    labels.append((networks[stage], stage.name, way))
                    tensors.append(tensor)
            silent = networks[stage] == silenced
            return keras.tree.map_structure(ops.zeros_like, outputs) if silent else outputs

        with observe(networks, note), keras.StatelessScope():
            model.distil(x, y)
        return tensors

    passed = list(zip(labels, arrays(compiled(run)(x, y)), strict=True))
    given = {
        name: [values for label, values in passed if label == (name, stages[0].name, "into")]
        for name, stages in by_network.items()
    }

    def outer(network, way, values):
        return way == "into" and any(np.array_equal(values, other) for other in given[network])

    return [
        Crossing(network, stage, way, outer(network, way, values), values)
        for (network, stage, way), values in passed
    ]
