"""Checks that an encoder and a decoder can be a pair."""

import types

import keras

from keras_bsd.layers._stage import SpikingStage, Stage, flatten_stages, repeated_stages, walk

_UNBOUNDED = tuple(
    getattr(keras.activations, name)
    for name in ("linear", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "tanh", "softsign")
)


def paired_stages(encoder, decoder):
    """Return the encoder's spiking stages and the decoder's that mirror them, both in the encoder's order."""
    for model, role in ((encoder, "encoder"), (decoder, "decoder")):
        check_network(model, role)
    _check_apart(encoder, decoder)
    forward = flatten_stages(encoder, SpikingStage)
    backward = flatten_stages(decoder, SpikingStage)[::-1]
    if len(forward) != len(backward):
        raise ValueError(
            "Encoder and decoder must have the same number of spiking stages. Received: "
            f"{len(forward)} in the encoder ({', '.join(stage.name for stage in forward)}), "
            f"{len(backward)} in the decoder ({', '.join(stage.name for stage in backward)})"
        )
    for stage, teacher in zip(forward, backward, strict=True):
        if stage.output_features != teacher.output_features:
            held = [x.name for x in (*forward[1:], *backward[:-1]) if x.timesteps is not None]
            remedy = f". Only the first stage of a network takes `timesteps`; so do {held}"
            raise ValueError(
                "Stages must mirror each other in the shape of a sample's neurons. Received: encoder "
                f"stage '{stage.name}' {stage.output_features}, decoder stage '{teacher.name}' "
                f"{teacher.output_features}{remedy if held else ''}"
            )
    return forward, backward


def _check_apart(encoder, decoder):
    """Raise if a stage belongs to both networks."""
    backward = set(flatten_stages(decoder))
    shared = [stage.name for stage in flatten_stages(encoder) if stage in backward]
    if shared:
        raise ValueError(
            "Encoder and decoder must have stages of their own. Received: "
            f"{', '.join(shared)} in both. `keras_bsd.mirror(encoder)` makes a decoder with new stages."
        )


def check_built(model, role):
    """Raise unless a model has layers in a known order."""
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise ValueError(
            f"`{role}` must be a built Sequential or functional keras.Model. Received: {role}={model!r}. "
            "Start a Sequential with keras.Input(shape)."
        )


def check_network(model, role):
    """Raise unless a network is built, of stages that hold all weights and are called once."""
    check_built(model, role)
    stages = flatten_stages(model, Stage)
    if not any(isinstance(stage, SpikingStage) for stage in stages):
        raise ValueError(f"`{role}` has no spiking stage. Received: layers {[x.name for x in model.layers]}")
    staged = {id(weight) for stage in stages for weight in stage.trainable_weights}
    stray = [weight.path for weight in model.trainable_weights if id(weight) not in staged]
    if stray:
        raise ValueError(
            f"Weights of the {role} lie outside its stages, where no local loss reaches them: "
            f"{', '.join(stray)}. Put those layers into a SpikingStage or Readout."
        )
    _check_weights_of_one_stage(model, role)
    repeated = [stage.name for stage in repeated_stages(model)]
    if repeated:
        raise ValueError(
            "Each stage must be called once, since it has one representation and one teacher. Received: "
            f"several calls of {', '.join(repeated)} in the {role}. Make a stage for each call."
        )


def _check_weights_of_one_stage(model, role):
    """Raise if a weight belongs to two stages, whose local losses would both change it."""
    owners = {}
    for stage in flatten_stages(model, Stage):
        for weight in stage.trainable_weights:
            owner = owners.setdefault(id(weight), stage)
            if owner is not stage:
                raise ValueError(
                    f"Stages of the {role} must have layers of their own, since each learns from its own loss. "
                    f"Received: '{weight.path}' in '{owner.name}' and '{stage.name}'. Make a layer for each."
                )


def check_ends(encoder, decoder):
    """Raise unless each network's input has the shape of the other's output, or that of its mean over time."""
    stimuli = [encoder.input_shape[1:]]
    if takes_spikes(encoder):
        stimuli.append(encoder.input_shape[2:])
    for name, shapes, other in (
        ("the encoder's output", [encoder.output_shape[1:]], decoder.input_shape[1:]),
        ("the encoder's input", stimuli, decoder.output_shape[1:]),
    ):
        if other not in shapes:
            raise ValueError(
                f"The decoder does not match {name}. Received: {' or '.join(map(str, shapes))} and {other}"
            )


def takes_spikes(encoder):
    """Return whether the stimulus is spikes or values over time, `(batch, time, ...)`."""
    first = flatten_stages(encoder, SpikingStage)[0]
    return first.timesteps is None and len(encoder.input_shape) == len(first.input_features) + 2


def check_classifier(encoder):
    """Raise unless the output can be probabilities of classes, `(batch, classes)`, or of one of two."""
    if len(encoder.output_shape) != 2:
        raise ValueError(
            "Classification needs an encoder with outputs (batch, classes); use keras_bsd.BSDSequenceModel for "
            f'a class per element, and task="regression" for values. Received: {encoder.output_shape}'
        )
    last = list(walk(encoder))[-1]
    if encoder.output_shape[-1] == 1 and getattr(last, "activation", None) is keras.activations.softmax:
        raise ValueError(
            'A softmax over one class is always 1. Use two outputs, or one with activation="sigmoid" for two '
            f"classes. Received: layer '{last.name}' with one output and activation='softmax'"
        )


def check_outputs_probabilities(encoder):
    """Raise if the activation of the encoder's last layer does not give probabilities."""
    if outputs_logits(encoder):
        last = _last(encoder)
        raise ValueError(
            f"The default loss takes probabilities, but the encoder's last layer '{last.name}' is "
            f'{last.activation.__name__}. End the encoder in Readout(..., activation="softmax"), or "sigmoid" '
            "for one output, or compile with a loss of `from_logits=True`."
        )


def outputs_logits(encoder):
    """Return whether the activation of the encoder's last layer cannot give probabilities."""
    return has_activation(encoder, *_UNBOUNDED)


def has_activation(encoder, *activations):
    """Return whether the last layer has one of these activation functions."""
    return getattr(_last(encoder), "activation", None) in activations


def _last(encoder):
    return list(walk(encoder))[-1]


def split_after(encoder, stage):
    """Return the layers up to a stage and those after it as two models, `latent_encoder` and `latent_decoder`.

    A namespace holds them, which Keras does not search for layers: they share the encoder's.
    """
    layers = [layer for layer in walk(encoder) if not isinstance(layer, keras.layers.InputLayer)]
    above = layers.index(stage) + 1
    stimulus, spikes = keras.Input(encoder.input_shape[1:]), keras.Input(stage.output.shape[1:])
    return types.SimpleNamespace(
        latent_encoder=keras.Sequential([stimulus, *layers[:above]], name="latent_encoder"),
        latent_decoder=keras.Sequential([spikes, *layers[above:]], name="latent_decoder"),
    )
