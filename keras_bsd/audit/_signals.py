"""The signals between stages, recorded without a change to the model."""

from typing import Literal, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_bsd._backend import compiled
from keras_bsd._observe import arrays, observe
from keras_bsd._types import Array
from keras_bsd.audit._networks import stages_by_network
from keras_bsd.layers import SpikingStage


class Signal(NamedTuple):
    """An input of a stage, the output of a spiking one, or what a feedback layer sends to a stage."""

    network: Literal["encoder", "decoder", "feedback"]
    stage: str
    port: Literal["input", "output"]
    external: bool  # an input of the network, a stimulus or concept, and no output of another stage
    values: Array

    def __str__(self):
        kind = "layer" if self.network == "feedback" else "stage"
        return f"the {self.port} of {self.network} {kind} '{self.stage}'"

    @property
    def is_binary(self):
        """Whether all values are 0 or 1."""
        return bool(((self.values == 0) | (self.values == 1)).all())


def record_signals(model, x, y, feedback=(), muted=None):
    """Record the signals between stages in a training step on a batch.

    Args:
        model: `SpikingModel`, compiled.
        x, y: stimuli and targets, `(batch, ...)`.
        feedback: layers of `model.feedback` whose outputs are signals, too.
        muted: `"encoder"` or `"decoder"`, whose stages output zeros; or None.

    Returns:
        List of `Signal` in the order of the calls. The model does not change.
    """
    by_network = stages_by_network(model)
    labels_of = {
        stage: (network, name) for network, stages in by_network.items() for stage, name in stages.items()
    }
    labels_of |= {layer: ("feedback", layer.name) for layer in feedback}
    labels = []

    def run(x, y):
        tensors = []

        def record(stage, arguments, outputs):
            ports = {"input": arguments[0], "output": outputs if isinstance(stage, SpikingStage) else []}
            if stage in feedback:
                ports = {"output": outputs}
            for port, structure in ports.items():
                for tensor in keras.tree.flatten(structure):
                    labels.append((*labels_of[stage], port))
                    tensors.append(tensor)
            is_muted = labels_of[stage][0] == muted
            return keras.tree.map_structure(ops.zeros_like, outputs) if is_muted else outputs

        with observe(labels_of, record), keras.StatelessScope():
            model.compute_step(x, y)
        return tensors

    recorded = list(zip(labels, arrays(compiled(run)(x, y)), strict=True))
    network_inputs = {
        network: [values for label, values in recorded if label == (network, first, "input")]
        for network, (first, *_) in ((network, stages.values()) for network, stages in by_network.items())
    }

    def is_external(network, port, values):
        return port == "input" and any(np.array_equal(values, other) for other in network_inputs[network])

    return [
        Signal(network, stage, port, is_external(network, port, values), values)
        for (network, stage, port), values in recorded
    ]
