"""The network to export, and the signals in it for a batch."""

import keras
from keras import ops

from keras_bsd._observe import join_time_steps, run_with_membranes, run_with_spikes
from keras_bsd.layers import SpikingStage, flatten_stages
from keras_bsd.layers._stage import stage_names
from keras_bsd.layers._time_loop import unrolled
from keras_bsd.models._spiking_model import SpikingModel


def exported_network(model):
    """Return the network to export: the encoder of a pair, or any other model itself.

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
    if isinstance(model, SpikingModel) and model._inference_model() is not encoder:
        raise ValueError(
            "The outputs of `model` must be those of its encoder. Received: a "
            f"{type(model).__name__}, whose inference does more. Export it by `model.export(path)`, or its "
            "`encoder` alone."
        )
    for layer in all_layers(encoder):
        if layer.compute_dtype in ("float16", "bfloat16"):
            raise ValueError(
                f"Exported networks compute in float32. Received: layer '{layer.name}', which computes in "
                f"{layer.compute_dtype}. Load the weights into the same network built in float32."
            )
    return encoder


def all_layers(layer):
    """Yield a layer and all layers in it: those of nested models and of stages' synapses included."""
    yield layer
    for name in ("layers", "synapse"):
        inner = getattr(layer, name, ())
        for part in inner if isinstance(inner, (list, tuple)) else [inner]:
            yield from all_layers(part)


def is_quantized(network):
    """Return whether a network has layers that are quantised, those within stages included."""
    layers = [
        *all_layers(network),
        *(inner for stage in flatten_stages(network) for inner in stage._inner_layers()),
    ]
    return any(getattr(layer, "quantization_mode", None) for layer in layers)


def as_float(value):
    """Return a leak or threshold, a number or a learned weight, as a float."""
    return value if isinstance(value, float) else float(ops.convert_to_numpy(value))


def run(network, stimulus, with_spikes):
    """Run a network at inference, with time loops unrolled.

    Args:
        network: Keras model.
        stimulus: tensor `(batch, ...)`.
        with_spikes: bool, whether spikes are recorded; otherwise the dict is empty.

    Returns:
        Its outputs, and a dict from each spiking stage's name to its spikes `(batch, time, ...)`. The time
        steps of a sequence's elements follow each other.

    Raises:
        ValueError: a stage whose spikes are recorded is called twice.
    """
    with unrolled():
        if not with_spikes:
            return network.call(stimulus, training=False), {}
        outputs, spikes = run_with_spikes(network, stimulus)
    stages = {name: stage for stage, name in stage_names(network).items()}
    return outputs, {name: join_time_steps(stages[name], value) for name, value in spikes.items()}


def run_with_margins(network, stimulus):
    """Run a network at inference, and measure how close each membrane comes to its threshold.

    Returns:
        Two dicts by the name of each spiking stage: spikes, as from `run`, and the minimum distance of each
        neuron's membrane from its threshold, `(batch, ...)`.
    """
    stages = flatten_stages(network, SpikingStage)
    spikes, _, distances = run_with_membranes(network, stimulus, stages)
    return spikes, {name: ops.min(ops.abs(distance), axis=1) for name, distance in distances.items()}
