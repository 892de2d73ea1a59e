"""The pair for sequences that have one class as a whole, such as recordings."""

from typing import Any

import keras
from keras import ops

from keras_bsd._types import Model
from keras_bsd.layers._readout import SequenceReadout
from keras_bsd.layers._recurrent import SpikingRecurrent
from keras_bsd.layers._stage import flatten_stages
from keras_bsd.models._pair import BSDModel
from keras_bsd.models._sequence import weights_of_elements
from keras_bsd.models._streamer import Streamer


@keras.saving.register_keras_serializable("keras_bsd")
class BSDSequenceClassifier(BSDModel):
    """A recurrent spiking encoder that decides on a sequence by all its elements, trained by distillation.

    Every element of a sequence is compared as a sample of the sequence's class, by what `delays` deliver at it,
    and the readout decides by the mean over all elements, at any time by those so far. The decoder, from a
    class to an element, recalls the mean element. Arguments, training and logs are those of `BSDModel`.
    Elements that the encoder masks, such as padding, are no samples.

    Args:
        encoder: built Keras model from sequences `(batch, elements, ...)` to class probabilities
            `(batch, classes)`, of `SpikingRecurrent` stages with `targets="all"` and a `SequenceReadout` with
            `targets="mean"`.
        decoder: built Keras model from a class `(batch, classes)` to an element `(batch, ...)`.
        **kwargs: arguments of `BSDModel`.

    Raises:
        ValueError: see `BSDModel`; or the networks have other shapes or targets.

    Example:

    >>> model = keras_bsd.applications.SpikingRNN((20, 16), classes=3, units=(8,))
    >>> model.compile(keras.optimizers.AdamW(6e-3), metrics=["accuracy"])
    >>> tuple(model(np.zeros((2, 20, 16))).shape)
    (2, 3)
    """

    def __init__(self, encoder: Model, decoder: Model, **kwargs: Any) -> None:
        super().__init__(encoder, decoder, **kwargs)

    def _check_ends(self):
        sequence, scores = self.encoder.input_shape, self.encoder.output_shape
        ends = self.decoder.input_shape, self.decoder.output_shape
        targets = {
            *(stage.targets for stage in flatten_stages(self.encoder, SpikingRecurrent)),
            *(f"{readout.targets} of the readout" for readout in flatten_stages(self.encoder, SequenceReadout)),
        }
        if len(scores) != 2 or scores[-1] == 1 or ends != ((None, scores[-1]), (None, *sequence[2:])):
            raise ValueError(
                "A pair for whole sequences has an encoder (batch, elements, ...) -> (batch, classes), of at "
                "least two classes, and a decoder (batch, classes) -> (batch, ...). Received: "
                f"{sequence} -> {scores}, {ends[0]} -> {ends[1]}"
            )
        count = len(flatten_stages(self.encoder, SequenceReadout))
        if targets != {"all", "mean of the readout"} or count != 1:
            raise ValueError(
                'Sequences are classified by recurrent stages with targets="all" and one SequenceReadout with '
                f'targets="mean". Received: targets {", ".join(sorted(targets))}; {count} readouts'
            )
        if not self._classifies:
            raise ValueError(f"Sequences are classified. Received: task={self.task!r}. Omit `task`.")

    def _decoder_views(self, x, y):
        """Return elements, and the class of each."""
        targets, elements = self._targets(y), ops.shape(x)[1]
        return ops.reshape(x, (-1, *x.shape[2:])), ops.repeat(targets, elements, axis=0)

    def _weights_of_samples(self, sample_weight, masks, count):
        """Return the weights of elements: those of their sequences, and none for masked ones."""
        weights = super()._weights_of_samples(sample_weight, masks, count)
        if weights is not None:
            weights = ops.repeat(weights, count // ops.shape(weights)[0], axis=0)
        (readout,) = flatten_stages(self.encoder, SequenceReadout)
        return weights_of_elements(masks.get(readout), weights)

    def streamer(self, streams: int | None = None) -> Streamer:
        """Return a `Streamer` that takes one element at a time and returns the decision by all so far.

        Args:
            streams: positive int, the number of parallel streams; `None` for one, without a stream axis.
        """
        return Streamer(self.encoder, streams)
