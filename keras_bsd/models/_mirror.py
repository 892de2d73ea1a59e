"""The decoder that mirrors an encoder."""

from typing import Literal

import keras

from keras_bsd._types import Model
from keras_bsd.layers._lif import SpikingLIF
from keras_bsd.layers._readout import Readout
from keras_bsd.layers._stage import SpikingStage, flatten_stages, stage_names
from keras_bsd.models._structure import check_built


def mirror(
    encoder: Model,
    timesteps: int | None = None,
    normalization: Literal["batch", "layer"] | None = "batch",
    name: str = "decoder",
) -> Model:
    """Return a decoder, from concept to stimulus, whose stages mirror those of an encoder.

    The concept, a vector of the encoder's output shape, is held as a current. The decoder's first stage has the
    shape of the encoder's last stage, and so on down to a `Readout` of the stimulus. All weights are new.

    Args:
        encoder: built Keras model of `SpikingDense`, `SpikingConv2D` and `SpikingResidualConv2D` stages in one
            chain, ending in a `Readout`; skip connections around stages are allowed.
        timesteps: positive int (default: that of the encoder's spikes).
        normalization: `"batch"`, `"layer"` or `None`, of the decoder's currents.
        name: name of the decoder.

    Returns:
        `keras.Sequential`.

    Raises:
        ValueError: there is no readout or more than one, or a later stage has `timesteps`.
        NotImplementedError: a stage has no `backward_synapse`; write the decoder by hand.

    Example:

    >>> encoder = keras.Sequential([
    ...     keras.Input((8, 8, 1)),
    ...     keras_bsd.layers.SpikingDense(32, timesteps=4),
    ...     keras_bsd.layers.Readout(keras.layers.Dense(10), "softmax")])
    >>> decoder = keras_bsd.mirror(encoder)
    >>> decoder.input_shape, decoder.output_shape
    ((None, 10), (None, 8, 8, 1))
    """
    check_built(encoder, "encoder")
    spiking, readouts = flatten_stages(encoder, SpikingStage), flatten_stages(encoder, Readout)
    held = [stage.name for stage in spiking if stage.timesteps is not None]
    if len(readouts) != 1 or held[1:]:
        raise ValueError(
            "`encoder` must end in its one Readout, and only its first stage takes `timesteps`, since the "
            f"others get spikes. Received: {len(readouts)} readouts, `timesteps` in {', '.join(held) or 'none'}"
        )
    (readout,) = readouts
    decoder = keras.Sequential([keras.Input(encoder.output_shape[1:], name="concept")], name=name)
    timesteps = timesteps or spiking[-1].output.shape[1]
    above, names = readout, stage_names(encoder)
    for stage in reversed(spiking):
        decoder.add(
            SpikingStage(
                above.backward_synapse(),
                neuron=SpikingLIF.from_config({**stage.neuron.get_config(), "stateful": False}),
                timesteps=timesteps if above is readout else None,
                normalization=normalization,
                name=f"{names[stage]}_mirror",
            )
        )
        above = stage
    decoder.add(Readout(above.backward_synapse(), name="stimulus"))
    return decoder
