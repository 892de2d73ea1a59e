"""Direct feedback alignment: the output's error reaches each stage through fixed random weights."""

import math

import keras
from keras import ops

from keras_bsd._types import Tensor
from keras_bsd.baselines._base import Lesson, LocalBaseline
from keras_bsd.losses._reco import GRID, pool_maps


@keras.saving.register_keras_serializable("keras_bsd")
class DirectFeedbackAlignment(LocalBaseline):
    """The error of the output reaches each stage directly, through fixed random weights.

    With the error `e` of the readout, prediction less target, and the firing rates `r_i` of stage `i`, the
    update of the stage's weights is the gradient of

        <r_i, B_i e>

    with a `B_i` that is drawn once and does not learn. Maps receive it by 4x4 cells. Each update stays within
    its stage, but signed errors travel to all stages, after the output is known.

    Args:
        encoder, task, rule, stimulus_range, check_numerics, **kwargs: see `LocalBaseline`.

    Attributes:
        feedback: list of layers whose kernels are the `B_i`, by stage.

    Example:

    >>> encoder = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6)).encoder
    >>> model = keras_bsd.baselines.DirectFeedbackAlignment(encoder)
    >>> [tuple(layer.kernel.shape) for layer in model.feedback]
    [(3, 8), (3, 6)]

    Source: Nøkland, "Direct feedback alignment provides learning in deep neural networks", NeurIPS 2016.
    """

    title = "direct feedback alignment"

    def build_rule(self) -> None:
        values = self._class_count or math.prod(self.encoder.output_shape[1:])
        self.feedback = [
            _Projection(values, cell_count(stage.output_features), name=f"{name}_feedback")
            for stage, name in zip(self.encoder_stages, self._stage_names, strict=True)
        ]

    def sample_losses(self, i: int, rates: Tensor, lesson: Lesson) -> Tensor:
        signal = self.feedback[i](lesson.errors)
        cells = ops.reshape(pool_maps(rates, GRID), ops.shape(signal))
        return ops.sum(cells * ops.stop_gradient(signal), axis=-1)


def cell_count(features):
    """Return the number of values of a stage's representation `features`, maps by cells."""
    return math.prod(pool_maps(keras.KerasTensor((None, *features)), GRID).shape[1:])


class _Projection(keras.layers.Layer):
    """Product with fixed random weights, which Keras does not quantise with the encoder."""

    def __init__(self, inputs, outputs, **kwargs):
        super().__init__(trainable=False, dtype="float32", **kwargs)
        self.kernel = self.add_weight((inputs, outputs), "glorot_uniform", name="kernel")
        self.built = True

    def call(self, inputs):
        return ops.matmul(inputs, self.kernel)
