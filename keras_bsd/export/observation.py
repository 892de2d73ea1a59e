"""Which network is exported, and what its stages do for a batch."""

import contextlib

import keras
from keras import ops

from keras_bsd.layers.time_loop import unrolled
from keras_bsd.learning import LocalLearning


def network(model):
    """The network to export: of a pair the encoder, and every other model itself.

    Raises:
        ValueError: it is not a built Sequential or functional model from one input to one output, or
            computes in half precision.
    """
    encoder = getattr(model, "encoder", model)
    if not isinstance(encoder, keras.Model) or not getattr(encoder, "inputs", None):
        raise ValueError(
            "`model` must be a BSDModel or a built Sequential or functional keras.Model. "
            f"Received: model={model!r}. Start a Sequential with keras.Input(shape)."
        )
    if len(encoder.inputs) != 1 or len(encoder.outputs) != 1:
        raise ValueError(
            "`model` must have one input and one output. Received: "
            f"{len(encoder.inputs)} inputs and {len(encoder.outputs)} outputs. Export a keras.Model for each."
        )
    for layer in all_layers(encoder):
        if layer.compute_dtype in ("float16", "bfloat16"):
            raise ValueError(
                f"What is exported computes in float32. Received: layer '{layer.name}', which computes in "
                f"{layer.compute_dtype}. Load the weights into the same network built in float32."
            )
    return encoder


def all_layers(layer):
    """A layer and, stages' synapses and nested models included, all those in it."""
    yield layer
    for name in ("layers", "synapse"):
        inner = getattr(layer, name, ())
        for part in inner if isinstance(inner, (list, tuple)) else [inner]:
            yield from all_layers(part)


def observe(model, stimulus, rule):
    """Run a network at inference under `rule`, a function `(stage, inputs, training)`.

    Returns:
        What the network gives, and what the rule says of each spiking stage, a dict by name in calling
        order.
    """
    with unrolled(), LocalLearning(rule) as scope:
        scores = model.call(stimulus, training=False)
    return scores, scope.representations


def spike_trains(stage, inputs, training):
    """Spikes `(batch, time, ...)`; of a sequence's elements the time steps follow each other."""
    spikes = stage.run(inputs, training)
    return spikes, _in_time(stage, spikes)


def spike_counts_and_margins(stage, inputs, training):
    """Of every neuron how often it spikes in how many steps, and how close its membrane is to the threshold."""
    surrogate, distances = stage.neuron.cell.surrogate, []

    def recording(distance):
        distances.append(distance)
        return surrogate(distance)

    with replaced(stage.neuron.cell, "surrogate", recording):
        spikes = stage.run(inputs, training)
    trains = _in_time(stage, spikes)
    margins = ops.min(ops.abs(ops.stack(distances)), axis=0)
    return spikes, (ops.sum(trains, axis=1), ops.shape(trains)[1], margins)


def _in_time(stage, spikes):
    features = stage.output_features
    return ops.reshape(spikes, (ops.shape(spikes)[0], -1, *features))


@contextlib.contextmanager
def replaced(owner, name, value):
    """Within this scope the owner's attribute has another value."""
    own = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        delattr(owner, name)
        if own is not None:
            setattr(owner, name, own)
