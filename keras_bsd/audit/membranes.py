"""What the neurons of a stage go through."""

import numpy as np
from keras import ops

from keras_bsd.audit.observation import arrays, observed
from keras_bsd.layers.stages import SpikingStage, flatten_stages


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

    def note(neuron, currents, spikes):
        found.append((currents, spikes))
        return spikes

    with observed([stages[stage].neuron], note):
        network(ops.convert_to_tensor(np.asarray(x)), training=False)
    ((currents, spikes),) = found
    states, traces = cell.get_initial_state(len(currents)), []
    for t in range(currents.shape[1]):
        current = currents[:, t]
        if cell.refractory_steps:
            current = ops.where(states[1] <= 0, current, ops.zeros_like(current))
        traces.append(cell.leak * states[0] + current)
        _, states = cell(currents[:, t], states)
    traces, spikes, threshold = arrays([ops.stack(traces, axis=1), spikes, cell.threshold])
    return {"membranes": traces, "spikes": spikes, "threshold": float(threshold)}
