"""What the neurons of a network do while it runs."""

import numpy as np
from keras import ops

from keras_bsd.audit.observation import arrays, observed
from keras_bsd.layers.stages import SpikingStage, flatten_stages


def spikes(network, x):
    """Spikes of all stages of a network.

    Args:
        network: built Keras model of stages: an encoder or a decoder.
        x: stimuli `(samples, ...)`, or a decoder's concepts.

    Returns:
        Dict from each stage's name to a NumPy array `(samples, time, ...)`, in the network's order.

    Example:

    >>> recalled = keras_bsd.audit.spikes(model.decoder, np.eye(10))
    """
    found = {}

    def note(stage, _, outputs):
        found[stage.name] = arrays(outputs)[0]
        return outputs

    with observed(flatten_stages(network, SpikingStage), note):
        network(ops.convert_to_tensor(np.asarray(x, "float32")), training=False)
    return found


def membranes(network, stage, x):
    """Membranes of a stage's neurons at every time step, before they are reset.

    Args:
        network: built Keras model of stages: an encoder or a decoder.
        stage: name of one of its spiking stages.
        x: stimuli `(samples, ...)`, or a decoder's concepts.

    Returns:
        Dict of NumPy arrays: `membranes` and `spikes` `(samples, time, ...)`, and the `threshold`.

    Raises:
        ValueError: there is no such stage.

    Example:

    >>> seen = keras_bsd.audit.membranes(model.encoder, "dense_1", x[:1])
    >>> keras_bsd.plots.membranes(seen["membranes"][0], seen["spikes"][0], seen["threshold"])
    """
    stages = {known.name: known for known in flatten_stages(network, SpikingStage)}
    if stage not in stages:
        raise ValueError(f"There is no stage of that name, but {', '.join(stages)}. Received: {stage=}")
    cell, found = stages[stage].neuron.cell, []

    def note(_, currents, fired):
        found.append((currents, fired))
        return fired

    with observed([stages[stage].neuron], note):
        network(ops.convert_to_tensor(np.asarray(x, "float32")), training=False)
    ((currents, fired),) = found
    states, traces = cell.get_initial_state(len(currents)), []
    for t in range(currents.shape[1]):
        current = currents[:, t]
        if cell.refractory_steps:
            current = ops.where(states[1] <= 0, current, ops.zeros_like(current))
        traces.append(cell.leak * states[0] + current)
        _, states = cell(currents[:, t], states)
    traces, fired, threshold = arrays([ops.stack(traces, axis=1), fired, cell.threshold])
    return {"membranes": traces, "spikes": fired, "threshold": float(threshold)}
