"""Ready-made pairs for recognition."""

import functools
import math

import keras
import numpy as np

from keras_bsd import _checks
from keras_bsd.applications._presets import from_presets, load_weights, record
from keras_bsd.layers._conv import SpikingConv2D, SpikingResidualConv2D
from keras_bsd.layers._dense import SpikingDense
from keras_bsd.layers._lif import SpikingLIF
from keras_bsd.layers._readout import Readout
from keras_bsd.models._mirror import mirror
from keras_bsd.models._pair import BSDModel


@from_presets("input_shape", "classes")
def SpikingMLP(
    input_shape=None,
    classes=None,
    timesteps=4,
    units=(512,) * 5,
    include_top=True,
    input_tensor=None,
    weights=None,
    neuron=None,
    name="spiking_mlp",
    **kwargs,
):
    """Fully connected spiking classifier and its mirror image.

    Args:
        input_shape: tuple, the shape of one stimulus. A preset in `weights` says this and the next
            three, which may then be left out.
        classes: int, at least 2.
        timesteps: positive int (default 4); the stimulus is held as a current for as many steps.
        units: tuple of positive ints, the neurons of each stage (default five times 512).
        include_top: `False` gives the spiking stages alone, without readout and decoder: a
            `keras.Model` from stimulus to spikes `(batch, time, ...)`, to make a pair of your own of.
            `classes` is then wanted for a file in `weights` only, and no further argument counts.
        input_tensor: Keras tensor to take the stimulus from in place of a new input, such as what
            layers without weights make of an input of the same shape.
        weights: name of a preset (`list_presets` prints them), path of a `.weights.h5` or `.keras`
            file of the same network, or `None`.
        neuron: dict of `SpikingLIF` arguments (default: its own defaults).
        name: of the model.
        **kwargs: further arguments of `keras_bsd.BSDModel`. Its `stimulus_range` is `(0, 1)` here:
            give `None` if your stimuli are scaled otherwise.

    Returns:
        A `keras_bsd.BSDModel`, to be compiled.

    Raises:
        ValueError: an argument is missing or out of range, a preset does not fit the others, or its
            weights are not as published.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((8, 8, 1), classes=10, units=(128, 128))
    """

    def stages(spikes):
        for i, count in enumerate(units):
            spikes = SpikingDense(count, **_first_and_neuron(i, timesteps, neuron), name=f"dense_{i + 1}")(
                spikes
            )
        return spikes

    return _pair(stages, input_shape, classes, include_top, input_tensor, weights, name, kwargs)


@from_presets("input_shape", "classes")
def SpikingConvNet(
    input_shape=None,
    classes=None,
    timesteps=4,
    filters=(32, 64, 128, 128, 128),
    pool_sizes=(1, 2, 2, 2, 1),
    include_top=True,
    input_tensor=None,
    weights=None,
    neuron=None,
    name="spiking_conv_net",
    **kwargs,
):
    """Convolutional spiking classifier and its mirror image.

    Args:
        input_shape: tuple `(height, width, channels)`.
        classes: int, at least 2.
        timesteps: positive int (default 4); the stimulus is held as a current for as many steps.
        filters: tuple of positive ints, the channels of each stage of 3x3 convolutions (default
            `(32, 64, 128, 128, 128)`).
        pool_sizes: tuple as long as `filters`, by how much each stage shrinks the maps (default
            `(1, 2, 2, 2, 1)`).
        include_top, input_tensor, weights, neuron, name, **kwargs: see `SpikingMLP`.

    Returns:
        A `keras_bsd.BSDModel`, to be compiled.

    Raises:
        ValueError: as `SpikingMLP`, or there are not as many pool sizes as filters.

    Example:

    >>> model = keras_bsd.applications.SpikingConvNet((28, 28, 1), 10, filters=(16, 32), pool_sizes=(2, 2))
    """
    _check_image_shape(input_shape, input_tensor)
    if len(filters) != len(pool_sizes):
        raise ValueError(f"Give one pool size for each stage. Received: {filters=}, {pool_sizes=}")

    def stages(spikes):
        for i, (channels, pool_size) in enumerate(zip(filters, pool_sizes, strict=True)):
            spikes = SpikingConv2D(
                channels, pool_size=pool_size, **_first_and_neuron(i, timesteps, neuron), name=f"conv_{i + 1}"
            )(spikes)
        return spikes

    return _pair(stages, input_shape, classes, include_top, input_tensor, weights, name, kwargs)


@from_presets("input_shape", "classes")
def SpikingResNet(
    input_shape=None,
    classes=None,
    timesteps=4,
    filters=(32, 64, 128),
    blocks=(2, 2, 2),
    include_top=True,
    input_tensor=None,
    weights=None,
    neuron=None,
    name="spiking_res_net",
    **kwargs,
):
    """Deep convolutional spiking classifier with residual stages, and a decoder with a stage for each.

    A first stage, which halves the maps, and then groups of blocks, of which all but the first halve
    them again. A block has two stages; the second one's currents are a convolution of the first one's
    spikes plus the block's own input spikes by way of a pointwise convolution. Whatever passes
    between stages, skipping or not, is spikes. The defaults make 13 spiking stages.

    Args:
        input_shape: tuple `(height, width, channels)`.
        classes: int, at least 2.
        timesteps: positive int (default 4); the stimulus is held as a current for as many steps.
        filters: tuple of positive ints, the channels of each group (default `(32, 64, 128)`).
        blocks: tuple of positive ints, the blocks of each group (default `(2, 2, 2)`).
        include_top, input_tensor, weights, neuron, name, **kwargs: see `SpikingMLP`.

    Returns:
        A `keras_bsd.BSDModel`, to be compiled.

    Raises:
        ValueError: as `SpikingMLP`, or there are not as many blocks as filters.

    Example:

    >>> model = keras_bsd.applications.SpikingResNet((32, 32, 3), 10, filters=(16, 32), blocks=(1, 1))

    Source: blocks after He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    """
    _check_image_shape(input_shape, input_tensor)
    if not filters or len(filters) != len(blocks):
        raise ValueError(
            f"Give at least one group, and a number of blocks for each. Received: {filters=}, {blocks=}"
        )

    def stages(stimulus):
        spikes = SpikingConv2D(filters[0], pool_size=2, **_first_and_neuron(0, timesteps, neuron), name="stem")(
            stimulus
        )
        later = functools.partial(_first_and_neuron, 1, timesteps, neuron)
        for group, (channels, count) in enumerate(zip(filters, blocks, strict=True)):
            for block in range(_checks.integer("blocks", count, low=1)):
                name = f"block_{group + 1}_{block + 1}"
                pool_size = 2 if group > 0 and block == 0 else 1
                skipped = spikes
                if pool_size > 1:  # the most of spikes is a spike
                    skipped = keras.layers.MaxPooling3D((1, 2, 2), padding="same", name=f"{name}_skip")(spikes)
                spikes = SpikingConv2D(channels, pool_size=pool_size, **later(), name=f"{name}_a")(spikes)
                spikes = keras.layers.Concatenate(name=f"{name}_both")([spikes, skipped])
                spikes = SpikingResidualConv2D(
                    channels, skip_channels=skipped.shape[-1], **later(), name=f"{name}_b"
                )(spikes)
        return spikes

    return _pair(stages, input_shape, classes, include_top, input_tensor, weights, name, kwargs)


def _check_image_shape(input_shape, input_tensor):
    shape = input_shape if input_tensor is None else tuple(input_tensor.shape[1:])
    if len(shape) != 3:
        raise ValueError(f"`input_shape` must be (height, width, channels). Received: input_shape={shape}")


def _first_and_neuron(i, timesteps, neuron):
    """Return the arguments of stage `i` that concern time and neurons."""
    timesteps = _checks.integer("timesteps", timesteps, low=1) if i == 0 else None
    return {"timesteps": timesteps, "neuron": SpikingLIF(**(neuron or {}))}


def _pair(stages, input_shape, classes, include_top, input_tensor, weights, name, kwargs):
    """Return the pair, or its stages alone, from a function that applies the stages to a stimulus."""
    if not include_top and classes is None:
        classes = 2  # of a readout that is dropped
    classes = _checks.integer("classes", classes, low=2)
    stimulus = keras.Input(input_shape, name="stimulus") if input_tensor is None else input_tensor
    spikes = stages(stimulus)
    if spikes is stimulus:
        raise ValueError("A spiking network needs at least one stage. Received: none")
    (inputs,) = keras.utils.get_source_inputs(stimulus)
    scores = Readout([*_from_maps(spikes), keras.layers.Dense(classes)], "softmax", name="scores")(spikes)
    encoder = keras.Model(inputs, scores, name="encoder")
    model = BSDModel(encoder, mirror(encoder), name=name, **{"stimulus_range": (0.0, 1.0), **kwargs})
    if weights is not None:
        load_weights(model, weights)
    return model if include_top else keras.Model(inputs, spikes, name=name)


def _from_maps(spikes):
    """Layers from a last stage's maps to the readout's inputs, their scale fit for their number.

    An adaptive optimiser moves each of a readout's weights by about the learning rate at every step. Of
    thousands of inputs that would move scores by several units, and training now and then collapses.
    """
    if len(spikes.shape) == 3:
        return []
    return [keras.layers.Flatten(), keras.layers.Rescaling(8 / math.sqrt(math.prod(spikes.shape[2:])))]


def preprocess_input(images):
    """Images as the presets and recipes take them.

    Args:
        images: array of whole numbers in 0 to 255, `(batch, height, width, channels)`, or
            `(batch, height, width)` if gray.

    Returns:
        NumPy array `(batch, height, width, channels)`, float32 in [0, 1].

    Raises:
        ValueError: another shape, or values that are not whole or out of range.

    Example:

    >>> keras_bsd.applications.preprocess_input(np.full((2, 28, 28), 255, "uint8")).max()
    1.0
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        raise ValueError(
            "`images` must have shape (batch, height, width, channels) or (batch, height, width). "
            f"Received: shape={images.shape}"
        )
    whole = images.dtype.kind in "ui" or np.array_equal(images, np.round(images))
    if not whole or (images.size and not 0 <= images.min() <= images.max() <= 255):
        raise ValueError(
            "`images` must be whole numbers from 0 to 255; those in [0, 1] already need no preprocessing. "
            f"Received: dtype={images.dtype}, values from {images.min()} to {images.max()}"
        )
    return images.astype("float32") / 255


def decode_predictions(scores, labels, top=5):
    """What scores say, in words.

    Args:
        scores: array `(batch, classes)`, as `predict` gives it.
        labels: name of a preset, or a sequence of one label for each class.
        top: positive int, how many labels are given of each sample.

    Returns:
        For each sample the list of the `top` likeliest `(label, score)`, the likeliest first.

    Raises:
        ValueError: there are not as many labels as classes.

    Example:

    >>> keras_bsd.applications.decode_predictions(np.array([[0.1, 0.9]]), ["cat", "dog"], top=1)
    [[('dog', 0.9)]]
    """
    scores = np.asarray(scores)
    labels = record(labels)["labels"] if isinstance(labels, str) else list(labels)
    if scores.ndim != 2 or scores.shape[1] != len(labels):
        raise ValueError(
            f"`scores` must have shape (batch, {len(labels)}), a score for each label. "
            f"Received: shape={scores.shape}"
        )
    likeliest = np.argsort(-scores, axis=1, kind="stable")[:, : _checks.integer("top", top, low=1)]
    return [[(labels[i], float(row[i])) for i in order] for row, order in zip(scores, likeliest, strict=True)]
