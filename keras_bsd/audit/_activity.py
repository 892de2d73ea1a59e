"""The activity of a network's neurons while it runs."""

from typing import Any

from keras import ops

from keras_bsd import _checks
from keras_bsd._observe import SpikeRecorder, arrays, run_with_membranes
from keras_bsd._types import Array, ArrayLike, Model
from keras_bsd.audit._networks import checked_network
from keras_bsd.layers import SpikingCell, SpikingStage, flatten_stages
from keras_bsd.layers._stage import stage_names
from keras_bsd.models._data_checks import checked_stimuli


def spikes(network: Model, x: ArrayLike) -> dict[str, Array]:
    """Return the spikes of all stages of a network.

    Args:
        network: built Keras model of stages: an encoder or a decoder; or a pair, whose encoder is run.
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
    encoder = checked_network(network, "network")
    stimuli = checked_stimuli(network, x).astype("float32")
    batch_size = encoder.input_shape[0]  # None, Keras's default, unless the network has a fixed one
    recorded = SpikeRecorder(encoder).predict(stimuli, batch_size=batch_size, verbose=0)
    return {name: recorded[name] for name in stage_names(encoder).values() if name in recorded}


def membranes(network: Model, stage: str, x: ArrayLike) -> dict[str, Any]:
    """Return the membranes of a stage's neurons at every time step, before a spike resets them.

    Args:
        network: built Keras model of stages: an encoder or a decoder; or a pair, whose encoder is run.
        stage: name of one of its spiking stages.
        x: stimuli `(samples, ...)`, or a decoder's concepts.

    Returns:
        Dict of NumPy arrays `membranes` and `spikes`, both `(samples, time, ...)`, and of `threshold`: a float,
        or for neurons with thresholds of their own or an adaptive one an array `(samples, time, ...)`. The time
        steps of a sequence's elements follow each other.

    Raises:
        ValueError: the network is not built or has no such stage, or `x` is not finite or has another shape.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, timesteps=5, units=(8, 6))
    >>> traces = keras_bsd.audit.membranes(model.encoder, "dense_2", np.ones((1, 4)))
    >>> traces["membranes"].shape, traces["threshold"]
    ((1, 5, 6), 0.6...)
    """
    encoder = checked_network(network, "network")
    names = stage_names(encoder)
    stages = {names[known]: known for known in flatten_stages(encoder, SpikingStage)}
    observed = stages[_checks.one_of("stage", stage, tuple(stages))]
    stimuli = ops.convert_to_tensor(checked_stimuli(network, x).astype("float32"))
    recorded = run_with_membranes(encoder, stimuli, [observed])
    fired, traces, distances = arrays([by_stage[stage] for by_stage in recorded])
    cell = observed.neuron.cell
    (threshold,) = arrays([cell.threshold])
    varies = threshold.ndim or type(cell).threshold_shift is not SpikingCell.threshold_shift
    return {
        "membranes": traces,
        "spikes": fired,
        "threshold": traces - distances if varies else float(threshold),
    }
