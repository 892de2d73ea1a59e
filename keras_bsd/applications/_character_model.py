"""The pair for text: characters in, characters out."""

import keras
import numpy as np

from keras_bsd import _checks
from keras_bsd.models._sequence import BSDSequenceModel
from keras_bsd.models._streamer import Streamer


@keras.saving.register_keras_serializable("keras_bsd")
class CharacterModel(BSDSequenceModel):
    """A `BSDSequenceModel` that knows which characters its classes are.

    Args:
        encoder, decoder, **kwargs: see `BSDSequenceModel`.
        alphabet: string, the character of each class.

    Example:

    >>> model = keras_bsd.applications.SpikingCharRNN("abc ", units=(32,))
    >>> model.encode("cab")
    array([2, 0, 1], dtype=int32)
    """

    def __init__(self, encoder, decoder, alphabet, **kwargs):
        super().__init__(encoder, decoder, **kwargs)
        if len(alphabet) != encoder.output_shape[-1]:
            raise ValueError(
                f"`alphabet` must have a character for each of {encoder.output_shape[-1]} classes. "
                f"Received: {len(alphabet)} characters"
            )
        self.alphabet = alphabet
        self._numbers = {character: number for number, character in enumerate(alphabet)}

    def encode(self, text):
        """Numbers of a text's characters, int32 `(characters,)`.

        Raises:
            ValueError: characters that are not in the alphabet.
        """
        unknown = sorted({*text} - {*self.alphabet})
        if unknown:
            raise ValueError(
                f"The alphabet does not have the characters {''.join(unknown)!r}; it has {self.alphabet!r}. "
                f"Received: text={text[:40]!r}. Leave them out, or put others in their place."
            )
        return np.array([self._numbers[character] for character in text], "int32")

    def decode(self, numbers):
        """The text of characters' numbers, the inverse of `encode`."""
        return "".join(self.alphabet[number] for number in numbers)

    def streamer(self, streams=None):
        """A `Streamer` that takes one character's number at a time and gives what may follow it.

        Args:
            streams: int, parallel streams; `None` for one, without an axis of its own.
        """
        return Streamer(self.encoder, streams, classes=len(self.alphabet))

    def generate(self, prompt, length, temperature=1.0, seed=None):
        """Write on after a prompt.

        Args:
            prompt: string, at least one character.
            length: int, characters to write.
            temperature: non-negative float: below 1 the likely becomes likelier; 0 always takes the
                likeliest.
            seed: int, for the same text at every call.

        Returns:
            String of the `length` characters that follow the prompt.

        Raises:
            ValueError: the prompt is empty or has unknown characters, or an argument is out of range.

        Example:

        >>> model.generate("ROMEO:", length=100, temperature=0.7, seed=0)
        """
        numbers = self.encode(prompt)
        if not len(numbers):
            raise ValueError("`prompt` must have at least one character. Received: prompt=''")
        _checks.integer("length", length)
        _checks.real("temperature", temperature, low=0.0)
        stream, generator, written = self.streamer(), np.random.default_rng(seed), []
        for number in numbers[:-1]:
            stream.push(number)
        number = numbers[-1]
        for _ in range(length):
            probabilities = stream.push(number).astype("float64")
            number = _draw(probabilities, temperature, generator)
            written.append(number)
        return self.decode(written)

    def get_config(self):
        return {**super().get_config(), "alphabet": self.alphabet}


def _draw(probabilities, temperature, generator):
    if temperature == 0:
        return int(np.argmax(probabilities))
    logarithms = np.log(np.maximum(probabilities, 1e-30)) / temperature
    weights = np.exp(logarithms - logarithms.max())
    return int(generator.choice(len(weights), p=weights / weights.sum()))
