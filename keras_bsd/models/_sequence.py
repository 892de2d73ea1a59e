"""The pair for sequences in which every element has a class, such as the next character."""

from typing import Any

import keras
from keras import ops

from keras_bsd._types import Model
from keras_bsd.layers._readout import SequenceReadout
from keras_bsd.layers._stage import flatten_stages
from keras_bsd.models._pair import BSDModel


@keras.saving.register_keras_serializable("keras_bsd")
class BSDSequenceModel(BSDModel):
    """A recurrent spiking encoder, and a decoder of single elements, trained by distillation.

    Every element of a sequence is a sample: the encoder's representation of each element is trained to match
    the decoder's representation of its class; the decoder has no axis of elements. Arguments, training and logs
    are those of `BSDModel`, except for the shapes; sample weights are `(batch, elements)`. Elements that the
    encoder masks, such as padding, are no samples.

    Args:
        encoder: built Keras model from token ids `(batch, elements)` to class probabilities
            `(batch, elements, classes)`, of `SpikingRecurrent` stages and a `SequenceReadout`.
        decoder: built Keras model from the class of an element `(batch, classes)` to the element before it
            `(batch, classes)`.
        **kwargs: arguments of `BSDModel`.

    Raises:
        ValueError: see `BSDModel`; or the networks have other shapes.

    Example:

    >>> model = keras_bsd.applications.SpikingCharRNN("abc ", units=(8,))
    >>> model.compile(keras.optimizers.AdamW(6e-3))
    >>> tuple(model(np.array([[0, 1, 2, 3, 0]])).shape)
    (1, 5, 4)
    """

    def __init__(self, encoder: Model, decoder: Model, **kwargs: Any) -> None:
        super().__init__(encoder, decoder, **kwargs)

    @property
    def _takes_tokens(self):
        return len(self.encoder.input_shape) == 2

    def _check_ends(self):
        (*elements, classes), (*axes, _) = self.encoder.output_shape, self.decoder.input_shape
        expected = (None, classes)
        if (
            len(elements) != 2
            or len(axes) != 1
            or classes == 1
            or {self.decoder.input_shape, self.decoder.output_shape} != {expected}
        ):
            raise ValueError(
                "A pair for sequences has an encoder (batch, elements) -> (batch, elements, classes) and a "
                "decoder (batch, classes) -> (batch, classes), of at least two classes. Received: "
                f"{self.encoder.input_shape} -> "
                f"{self.encoder.output_shape}, {self.decoder.input_shape} -> {self.decoder.output_shape}"
            )

    def _decoder_views(self, x, y):
        return self._targets(x), self._targets(y)

    def _targets(self, y):
        return one_hot_elements(y, self.encoder.output_shape[-1])

    def _weights_of_samples(self, sample_weight, masks, count):
        weights = None if sample_weight is None else ops.reshape(sample_weight, (-1,))
        return weights_of_elements(masks.get(flatten_stages(self.encoder, SequenceReadout)[-1]), weights)


def one_hot_elements(y, classes):
    """Return the classes of elements, `(batch, elements)` or one-hot, as `(batch * elements, classes)`."""
    if len(y.shape) == 3 and y.shape[-1] == classes:
        return ops.reshape(ops.cast(y, "float32"), (-1, classes))
    return ops.one_hot(ops.cast(ops.reshape(y, (-1,)), "int32"), classes)


def weights_of_elements(mask, weights):
    """Return the weights of all elements: masked ones are no samples, and losses are means over the others.

    Args:
        mask: booleans `(batch, elements)`, or None.
        weights: `(batch * elements,)`, or None.
    """
    if mask is None:
        return weights
    mask = ops.reshape(ops.cast(mask, "float32"), (-1,))
    mask = mask / ops.maximum(ops.mean(mask), keras.config.epsilon())
    return mask if weights is None else mask * ops.cast(weights, mask.dtype)
