"""The pair for text."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from keras_bsd import _checks
from keras_bsd._arrays import check_ids
from keras_bsd._types import Array, Config, Model
from keras_bsd.models._sequence import BSDSequenceModel
from keras_bsd.models._streamer import Streamer


@keras.saving.register_keras_serializable("keras_bsd")
class CharacterModel(BSDSequenceModel):
    """A `BSDSequenceModel` whose classes are the characters of an alphabet.

    Args:
        encoder, decoder, **kwargs: see `BSDSequenceModel`.
        alphabet: string, the character of each class.

    Raises:
        ValueError: as `BSDSequenceModel`, or the alphabet does not have a character for each class.

    Example:

    >>> model = keras_bsd.applications.SpikingCharRNN("abc ", units=(32,))
    >>> model.encode("cab")
    array([2, 0, 1], dtype=int32)
    >>> model.decode([2, 0, 1])
    'cab'
    """

    def __init__(self, encoder: Model, decoder: Model, alphabet: str, **kwargs: Any) -> None:
        super().__init__(encoder, decoder, **kwargs)
        if len(alphabet) != encoder.output_shape[-1]:
            raise ValueError(
                f"`alphabet` must have a character for each of {encoder.output_shape[-1]} classes. "
                f"Received: {len(alphabet)} characters"
            )
        self.alphabet = alphabet
        self._ids = {character: i for i, character in enumerate(alphabet)}

    def encode(self, text: str) -> Array:
        """Return the token ids of a text's characters, int32 `(characters,)`.

        Raises:
            ValueError: the text has characters that are not in the alphabet.
        """
        if not isinstance(text, str):
            raise ValueError(f"`text` must be a string. Received: {type(text)}")
        unknown = sorted({*text} - {*self.alphabet})
        if unknown:
            raise ValueError(
                f"`text` must consist of the characters {self.alphabet!r}. Received: unknown characters "
                f"{''.join(unknown)!r} in text={text[:40]!r}. Remove or replace them."
            )
        return np.array([self._ids[character] for character in text], "int32")

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids; the inverse of `encode`.

        Raises:
            ValueError: an id is not that of a character.
        """
        ids = np.asarray(ids if isinstance(ids, np.ndarray) else list(ids))
        check_ids("`ids`", ids, len(self.alphabet))
        return "".join(self.alphabet[int(i)] for i in ids.ravel())

    def streamer(self, streams: int | None = None) -> Streamer:
        """Return a `Streamer` from one token id at a time to the probabilities of the next character.

        Args:
            streams: positive int, parallel streams, or `None` for one without an axis of streams.
        """
        return Streamer(self.encoder, streams, classes=len(self.alphabet))

    def generate(self, prompt: str, length: int, temperature: float = 1.0, seed: int | None = None) -> str:
        """Return the continuation of a prompt, sampled character by character.

        Args:
            prompt: string of at least one character.
            length: int, number of characters to generate.
            temperature: non-negative float. Below 1 it makes probable characters more probable; 0 always
                chooses the most probable one.
            seed: int, for the same text at every call, or `None`.

        Returns:
            String of the `length` characters after the prompt.

        Raises:
            ValueError: the prompt is empty or has unknown characters, or an argument is out of range.

        Example:

        >>> model = keras_bsd.applications.SpikingCharRNN("abc ", units=(8,))
        >>> len(model.generate("abc", length=5, temperature=0.7, seed=0))
        5
        """
        ids = self.encode(prompt)
        if not len(ids):
            raise ValueError("`prompt` must have at least one character. Received: prompt=''")
        _checks.integer("length", length)
        _checks.real("temperature", temperature, low=0.0)
        stream, generator, generated = self.streamer(), np.random.default_rng(seed), []
        for i in ids[:-1]:
            stream.push(i)
        last = ids[-1]
        for _ in range(length):
            last = _sample(stream.push(last).astype("float64"), temperature, generator)
            generated.append(last)
        return self.decode(generated)

    def get_config(self) -> Config:
        return {**super().get_config(), "alphabet": self.alphabet}


def _sample(probabilities, temperature, generator):
    if temperature == 0:
        return int(np.argmax(probabilities))
    logarithms = np.log(np.maximum(probabilities, 1e-30)) / temperature
    weights = np.exp(logarithms - logarithms.max())
    return int(generator.choice(len(weights), p=weights / weights.sum()))
