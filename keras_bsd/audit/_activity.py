"""The activity of a network's neurons while it runs."""

from typing import Any

import numpy as np
from keras import ops

from keras_bsd import _checks
from keras_bsd._observe import SpikeRecorder, arrays, run_with_membranes
from keras_bsd._types import Array, ArrayLike, Model
from keras_bsd.layers import SpikingStage, flatten_stages
from keras_bsd.layers._stage import stage_names


def spikes(network: Model, x: ArrayLike) -> dict[str, Array]:
    """Return the spikes of all stages of a network.

    Args:
        network: built Keras model of stages: an encoder or a decoder.
        x: stimuli `(samples, ...)`, or a decoder's concepts.

    Returns:
        Dict from each stage's name to a NumPy array `(samples, time, ...)`, or for recurrent stages
        `(samples, elements, time, ...)`, in the network's order.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, timesteps=5, units=(8, 6))
    >>> recalled = keras_bsd.audit.spikes(model.decoder, np.eye(3))
    >>> {name: spikes.shape for name, spikes in recalled.items()}
    {'dense_2_mirror': (3, 5, 6), 'dense_1_mirror': (3, 5, 8)}
    """
    batch_size = network.input_shape[0]  # None, Keras's default, unless the network has a fixed one
    recorded = SpikeRecorder(network).predict(np.asarray(x, "float32"), batch_size=batch_size, verbose=0)
    return {name: recorded[name] for name in stage_names(network).values() if name in recorded}


def membranes(network: Model, stage: str, x: ArrayLike) -> dict[str, Any]:
    """Return the membranes of a stage's neurons at every time step, before a spike resets them.

    Args:
        network: built Keras model of stages: an encoder or a decoder.
        stage: name of one of its spiking stages.
        x: stimuli `(samples, ...)`, or a decoder's concepts.

    Returns:
        Dict of NumPy arrays `membranes` and `spikes`, both `(samples, time, ...)`, and of the float
        `threshold`. The time steps of a sequence's elements follow each other.

    Raises:
        ValueError: the network has no such stage.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, timesteps=5, units=(8, 6))
    >>> traces = keras_bsd.audit.membranes(model.encoder, "dense_2", np.ones((1, 4)))
    >>> traces["membranes"].shape, traces["threshold"]
    ((1, 5, 6), 0.6...)
    """
    names = stage_names(network)
    stages = {names[known]: known for known in flatten_stages(network, SpikingStage)}
    observed = stages[_checks.one_of("stage", stage, tuple(stages))]
    x = ops.convert_to_tensor(np.asarray(x, "float32"))
    fired, traces = (by_stage[stage] for by_stage in run_with_membranes(network, x, [observed]))
    traces, fired, threshold = arrays([traces, fired, observed.neuron.cell.threshold])
    return {"membranes": traces, "spikes": fired, "threshold": float(threshold)}
