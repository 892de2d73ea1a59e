"""Checks that an encoder and a decoder can be a pair."""

import keras

from keras_bsd.layers._stage import SpikingStage, Stage, flatten_stages


def paired_stages(encoder, decoder):
    """Return the encoder's spiking stages and the decoder's that mirror them, both in the encoder's order."""
    for model, role in ((encoder, "encoder"), (decoder, "decoder")):
        _check_model(model, role)
    forward = flatten_stages(encoder, SpikingStage)
    backward = flatten_stages(decoder, SpikingStage)[::-1]
    if len(forward) != len(backward):
        raise ValueError(
            "Encoder and decoder must have as many spiking stages as each other. Received: "
            f"{len(forward)} in the encoder ({', '.join(stage.name for stage in forward)}), "
            f"{len(backward)} in the decoder ({', '.join(stage.name for stage in backward)})"
        )
    for stage, teacher in zip(forward, backward, strict=True):
        if stage.output_features != teacher.output_features:
            held = [x.name for x in (*forward[1:], *backward[:-1]) if x.timesteps is not None]
            remedy = f". Only a stage that takes the stimulus or the concept gets `timesteps`; so do {held}"
            raise ValueError(
                "Stages must mirror each other in the shape of a sample's neurons. Received: encoder "
                f"stage '{stage.name}' {stage.output_features}, decoder stage '{teacher.name}' "
                f"{teacher.output_features}{remedy if held else ''}"
            )
    return forward, backward


def _check_model(model, role):
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise ValueError(
            f"`{role}` must be a built Sequential or functional keras.Model. Received: {model!r}. "
            "Start a Sequential with keras.Input(shape)."
        )
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


def check_gives_probabilities(encoder):
    last = encoder.layers[-1]
    if getattr(last, "activation", None) is keras.activations.linear:
        raise ValueError(
            f"The default loss takes probabilities, but the encoder's last layer '{last.name}' is linear. "
            'End it in Readout(..., activation="softmax"), or compile with a loss of `from_logits=True`.'
        )
