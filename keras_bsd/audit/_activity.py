"""The activity of a network's neurons while it runs."""

import numpy as np
from keras import ops

from keras_bsd._observe import SpikeRecorder, arrays, run_with_membranes, run_with_spikes
from keras_bsd.layers._stage import SpikingStage, flatten_stages


def spikes(network, x):
    """Return the spikes of all stages of a network.

    Args:
        network: built Keras model of stages: an encoder or a decoder.
        x: stimuli `(samples, ...)`, or a decoder's concepts.

    Returns:
        Dict from each stage's name to a NumPy array `(samples, time, ...)`, in the network's order.

    Example:

    >>> recalled = keras_bsd.audit.spikes(model.decoder, np.eye(10))
    """
    found = SpikeRecorder(network).predict(np.asarray(x, "float32"), verbose=0)
    return {stage.name: found[stage.name] for stage in flatten_stages(network, SpikingStage)}


def membranes(network, stage, x):
    """Return the membranes of a stage's neurons at every time step, before they are reset.

    Args:
        network: built Keras model of stages: an encoder or a decoder.
        stage: name of one of its spiking stages.
        x: stimuli `(samples, ...)`, or a decoder's concepts.

    Returns:
        Dict of NumPy arrays: `membranes` and `spikes` `(samples, time, ...)`, and the `threshold`. The time steps of
        a sequence's elements follow each other.

    Raises:
        ValueError: there is no such stage.

    Example:

    >>> seen = keras_bsd.audit.membranes(model.encoder, "dense_1", x[:1])
    >>> keras_bsd.plots.membranes(seen["membranes"][0], seen["spikes"][0], seen["threshold"])
    """
    stages = {known.name: known for known in flatten_stages(network, SpikingStage)}
    if stage not in stages:
        raise ValueError(f"There is no stage of that name, but {', '.join(stages)}. Received: {stage=}")
    x = ops.convert_to_tensor(np.asarray(x, "float32"))
    traces = run_with_membranes(network, x, [stages[stage]])[stage]
    fired = run_with_spikes(network, x)[1][stage]
    traces, fired, threshold = arrays([traces, fired, stages[stage].neuron.cell.threshold])
    return {"membranes": traces, "spikes": fired.reshape(traces.shape), "threshold": float(threshold)}
