"""The pair for sequences whose every element has a class of its own, such as the next character."""

import keras
from keras import ops

from keras_bsd.models._pair import BSDModel


@keras.saving.register_keras_serializable("keras_bsd")
class BSDSequenceModel(BSDModel):
    """A recurrent spiking encoder, and a decoder for its elements, trained by distillation.

    Every element of a sequence is a sample: what the encoder's stages say of it is drawn to what the
    decoder, which knows nothing of time, says of the element's class. Arguments, training and logs are
    those of `BSDModel`, but for the shapes; a sample weight is one of each element, `(batch, elements)`.

    Args:
        encoder: built Keras model from class numbers `(batch, elements)` to class probabilities
            `(batch, elements, classes)`, of `SpikingRecurrent` stages and a `SequenceReadout`.
        decoder: built Keras model from a class `(batch, classes)` to what precedes it
            `(batch, classes)`.
        **kwargs: see `BSDModel`.

    Raises:
        ValueError: as `BSDModel`.

    Example:

    >>> model = keras_bsd.applications.SpikingCharRNN("abc ", units=(32,))
    >>> model.compile(keras.optimizers.AdamW(3e-3))
    """

    def _check_ends(self):
        (*elements, classes), (*axes, _) = self.encoder.output_shape, self.decoder.input_shape
        expected = (None, classes)
        if (
            len(elements) != 2
            or len(axes) != 1
            or {self.decoder.input_shape, self.decoder.output_shape} != {expected}
        ):
            raise ValueError(
                "A pair for sequences has an encoder (batch, elements) -> (batch, elements, classes) and a "
                f"decoder (batch, classes) -> (batch, classes). Received: {self.encoder.input_shape} -> "
                f"{self.encoder.output_shape}, {self.decoder.input_shape} -> {self.decoder.output_shape}"
            )

    def _decoder_views(self, x, y):
        return self._targets(x), self._targets(y)

    def _targets(self, y):
        classes = self.encoder.output_shape[-1]
        if len(y.shape) == 3 and y.shape[-1] == classes:
            return ops.reshape(ops.cast(y, "float32"), (-1, classes))
        return ops.one_hot(ops.cast(ops.reshape(y, (-1,)), "int32"), classes)

    def _each_sample(self, sample_weight):
        return None if sample_weight is None else ops.reshape(sample_weight, (-1,))
