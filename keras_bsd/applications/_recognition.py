"""What the classifiers share: their input, and the readout, decoder and weights around their stages."""

import inspect
import math
from collections.abc import Sequence

import keras

from keras_bsd import _checks
from keras_bsd._types import Config, Model, Path, Shape, Tensor
from keras_bsd.applications._builders import load_weights, required, required_shape
from keras_bsd.layers._readout import Readout
from keras_bsd.losses._info_nce import InfoNCE
from keras_bsd.models._mirror import mirror
from keras_bsd.models._pair import BSDModel

CHAIN = {"broadcast_concept": False, "gain": 1.0}  # arguments of `mirror` by which it was in version 0.1


def steps_to_hold(timesteps: int | None) -> int | None:
    """Return the time steps for which a stimulus is held; None for one that has a time axis of its own."""
    return None if timesteps is None else _checks.integer("timesteps", timesteps, low=1)


def stimulus_tensor(input_shape: Shape | None, input_tensor: Tensor | None, over_time: bool = False) -> Tensor:
    """Return the tensor of stimuli: `input_tensor`, or that of a new input.

    Args:
        input_shape, input_tensor: see `SpikingMLP`.
        over_time: bool, whether the first axis of a stimulus is that of time, which may be of any length.
    """

    def checked(shape):
        required("input_shape", shape)
        any_length = over_time and isinstance(shape, Sequence) and shape[:1] in ((None,), [None])
        return (
            (None, *required_shape("input_shape", shape[1:]))
            if any_length
            else required_shape("input_shape", shape)
        )

    if input_tensor is None:
        return keras.Input(checked(input_shape), name="stimulus")
    if not keras.utils.is_keras_tensor(input_tensor):
        raise ValueError(
            "`input_tensor` must be a Keras tensor, such as keras.Input(shape). "
            f"Received: input_tensor of type {type(input_tensor)}"
        )
    if input_shape is not None and checked(input_shape) != input_tensor.shape[1:]:
        raise ValueError(
            "`input_shape` must be that of `input_tensor`, or be omitted. "
            f"Received: {input_shape=}, input_tensor of shape {input_tensor.shape}"
        )
    return input_tensor


def image_tensor(input_shape: Shape | None, input_tensor: Tensor | None, over_time: bool = False) -> Tensor:
    """Return `stimulus_tensor`, or raise unless it is of images, or of frames over time."""
    images = stimulus_tensor(input_shape, input_tensor, over_time)
    if len(images.shape) != 4 + over_time:
        axes = (
            "(time, height, width, channels) with timesteps=None" if over_time else "(height, width, channels)"
        )
        raise ValueError(f"`input_shape` must be {axes}. Received: input_shape={images.shape[1:]}")
    return images


def pool_spikes(spikes: Tensor, pool_size: int, name: str | None = None) -> Tensor:
    """Return the maps of spikes `(batch, time, height, width, channels)` at a smaller size.

    The maximum of spikes is a spike.
    """
    if pool_size == 1:
        return spikes
    pooling = keras.layers.MaxPooling3D(
        (1, pool_size, pool_size), padding="same", data_format="channels_last", name=name
    )
    return pooling(spikes)


def of_maps(options: Config) -> Config:
    """Return arguments of `BSDModel` with the layer loss for convolutional stages, unless there is one."""
    return options if options.get("layer_loss") is not None else {**options, "layer_loss": InfoNCE()}


def build_classifier(
    spikes: Tensor,
    classes: int | None,
    include_top: bool,
    weights: Path | None,
    decoder: Config | None,
    name: str,
    options: Config,
) -> BSDModel | Model:
    """Return the pair whose encoder's last stage outputs `spikes`, or its stages alone.

    Args:
        spikes: symbolic tensor `(batch, time, ...)`.
        classes, include_top, weights, decoder, name: see `SpikingMLP`.
        options: further arguments of `BSDModel`.
    """
    if classes is None and not include_top and weights is None:
        classes = 2  # for a readout that is discarded
    classes = _checks.integer("classes", required("classes", classes), low=2)
    (inputs,) = keras.utils.get_source_inputs(spikes)
    readout = Readout([*_scaled_maps(spikes), keras.layers.Dense(classes)], "softmax", name="scores")
    encoder = keras.Model(inputs, readout(spikes), name="encoder")
    options = {"stimulus_range": (0.0, 1.0), **options}
    if decoder is None:
        decoder = CHAIN if options.get("teacher_signal") == "rate" else {}
    pair = BSDModel(encoder, mirror(encoder, **_decoder_arguments(decoder)), name=name, **options)
    model = load_weights(pair, weights)
    return model if include_top else keras.Model(inputs, spikes, name=name)


def _decoder_arguments(decoder):
    known = [name for name in inspect.signature(mirror).parameters if name != "encoder"]
    if not isinstance(decoder, dict) or not {*decoder} <= {*known}:
        raise ValueError(
            f"`decoder` must be a dict of arguments of keras_bsd.mirror ({', '.join(known)}), or None. "
            f"Received: decoder={decoder!r}"
        )
    return decoder


def _scaled_maps(spikes):
    """Return layers that flatten maps and scale them by their size.

    An adaptive optimizer moves each weight of a readout by about the learning rate at every step. With
    thousands of inputs one such step shifts the scores by several units, which can collapse training.
    """
    if len(spikes.shape) == 3:
        return []
    return [
        keras.layers.Flatten(data_format="channels_last"),
        keras.layers.Rescaling(8 / math.sqrt(math.prod(spikes.shape[2:]))),
    ]
