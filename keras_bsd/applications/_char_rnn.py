"""Recurrent network for text."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_bsd._types import Config, Path
from keras_bsd.applications._builders import from_weights, load_weights, neuron_factory, required
from keras_bsd.applications._character_model import CharacterModel
from keras_bsd.applications._sequences import dense_decoder, recurrent_stages
from keras_bsd.encoding import OneHotEncoder
from keras_bsd.layers._neurons import Neuron
from keras_bsd.layers._readout import SequenceReadout
from keras_bsd.losses._info_nce import InfoNCE


@from_weights
def SpikingCharRNN(
    alphabet: str | None = None,
    units: Sequence[int] = (256,),
    delays: int = 8,
    timesteps: int = 4,
    weights: Path | None = None,
    neuron: Config | Neuron | None = None,
    name: str = "spiking_char_rnn",
    **kwargs: Any,
) -> CharacterModel:
    """Build a recurrent spiking network that predicts the next character of a text, and its decoder.

    Args:
        alphabet: string of at least 2 different characters, the network's classes. Required unless `weights`
            is a preset or a `.keras` file, which provides this and the next three arguments.
        units: positive ints, neurons of each stage.
        delays: positive int, number of past elements whose input synapses deliver, see
            `keras_bsd.layers.SpikingRecurrent`.
        timesteps: positive int, time steps for which each character is held as a constant current.
        weights, neuron, name: see `SpikingForecaster`.
        **kwargs: further arguments of `CharacterModel`. Its `layer_loss` is `InfoNCE()` by
            default here, with the `teacher_signal` `"current"`.

    Returns:
        A `keras_bsd.applications.CharacterModel`, not compiled, from token ids `(batch, elements)`, as its
        `encode` returns them, to probabilities of the character after each, `(batch, elements, characters)`.

    Raises:
        ValueError: as `SpikingForecaster`, or the alphabet has a character twice.

    Example:

    >>> model = keras_bsd.applications.SpikingCharRNN(alphabet="abc ", units=(32,))
    >>> model.predict(model.encode("cab a")[None], verbose=0).shape
    (1, 5, 4)
    """
    alphabet = required("alphabet", alphabet)
    if not isinstance(alphabet, str) or len(alphabet) < 2 or len({*alphabet}) < len(alphabet):
        raise ValueError(
            f"`alphabet` must be a string of at least two characters, each once. Received: {alphabet!r}"
        )
    classes, new_neuron = len(alphabet), neuron_factory(neuron)
    characters = keras.Input((None,), dtype="int32", name="characters")
    one_hot = OneHotEncoder(classes, name="one_hot")(characters)
    spikes = recurrent_stages(
        one_hot, units, timesteps, new_neuron, delays=delays, targets="all", feedback_gain=0.2
    )
    scores = SequenceReadout(keras.layers.Dense(classes), "softmax", name="scores")(spikes)
    encoder = keras.Model(characters, scores, name="encoder")
    decoder = dense_decoder((classes,), (classes,), units, timesteps, new_neuron)
    # A context allows several next characters, whose probabilities a softmax can learn.
    options: Config = kwargs
    if kwargs.get("layer_loss") is None:
        options = {"teacher_signal": "current", **kwargs, "layer_loss": InfoNCE()}
    return load_weights(CharacterModel(encoder, decoder, alphabet=alphabet, name=name, **options), weights)
