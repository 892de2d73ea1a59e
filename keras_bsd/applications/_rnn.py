"""Recurrent classifier of sequences and recordings."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_bsd import _checks
from keras_bsd._types import Config, Path, Shape
from keras_bsd.applications._builders import from_weights, load_weights, neuron_factory, required
from keras_bsd.applications._recognition import stimulus_tensor
from keras_bsd.applications._sequences import dense_decoder, recurrent_stages
from keras_bsd.layers._neurons import Neuron
from keras_bsd.layers._readout import SequenceReadout
from keras_bsd.models._sequence_classifier import BSDSequenceClassifier


@from_weights
def SpikingRNN(
    input_shape: Shape | None = None,
    classes: int | None = None,
    units: Sequence[int] = (128, 128),
    delays: int = 8,
    timesteps: int = 2,
    weights: Path | None = None,
    neuron: Config | Neuron | None = None,
    name: str = "spiking_rnn",
    **kwargs: Any,
) -> BSDSequenceClassifier:
    """Build a recurrent spiking network that classifies sequences, such as binned recordings, and its decoder.

    Args:
        input_shape: tuple `(elements, ...)`, such as `(time bins, channels)`; the number of elements may be
            None. Required unless `weights` is a preset or a `.keras` file, which provides this and the next
            four arguments.
        classes: int, at least 2. Required unless `weights` is a preset or a `.keras` file.
        units: positive ints, neurons of each stage.
        delays: positive int, number of past elements whose input synapses deliver, see
            `keras_bsd.layers.SpikingRecurrent`. Learning that is local in time reaches as far.
        timesteps: positive int, time steps for which each element is held as a constant current.
        weights, neuron, name: see `SpikingForecaster`.
        **kwargs: further arguments of `keras_bsd.BSDSequenceClassifier`.

    Returns:
        A `keras_bsd.BSDSequenceClassifier`, not compiled, from `(batch, elements, ...)` to probabilities
        `(batch, classes)`. `streamer()` decides element by element.

    Raises:
        ValueError: an argument is missing or out of range, a preset contradicts the others, or its weights are
            not those that were published.

    Example:

    >>> model = keras_bsd.applications.SpikingRNN((None, 700), classes=20, units=(64,))
    >>> model.predict(np.zeros((3, 25, 700)), verbose=0).shape
    (3, 20)

    Source: Hammouamri et al., "Learning delays in spiking neural networks using dilated convolutions with
    learnable spacings", ICLR 2024, for what delays are worth on recordings; here they are not learned.
    """
    classes = _checks.integer("classes", required("classes", classes), low=2)
    sequence = elements = stimulus_tensor(input_shape, None, over_time=True)
    if len(sequence.shape) < 3:
        raise ValueError(f"`input_shape` must be (elements, ...). Received: {input_shape=}")
    new_neuron, features = neuron_factory(neuron), tuple(sequence.shape[2:])
    if len(features) > 1:
        flat = keras.layers.Reshape((-1, math.prod(features)), name="flat_elements")
        elements = flat(sequence)
    spikes = recurrent_stages(
        elements, units, timesteps, new_neuron, delays=delays, targets="all", feedback_gain=0.2
    )
    scores = SequenceReadout(keras.layers.Dense(classes), "softmax", targets="mean", name="scores")(spikes)
    encoder = keras.Model(sequence, scores, name="encoder")
    decoder = dense_decoder((classes,), features, units, timesteps, new_neuron)
    return load_weights(BSDSequenceClassifier(encoder, decoder, name=name, **kwargs), weights)
