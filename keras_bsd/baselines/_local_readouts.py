"""Local readouts: each stage predicts the target by a readout of its own, which learns with it."""

from typing import Any, ClassVar

import keras

from keras_bsd._types import Tensor
from keras_bsd.baselines._base import Lesson, LocalBaseline
from keras_bsd.models._local_readout import LocalReadout


@keras.saving.register_keras_serializable("keras_bsd")
class LocalReadouts(LocalBaseline):
    """Each stage learns by a linear readout of its firing rates that predicts the target, and learns too.

    With the readout `V_i` of stage `i`, the update is the gradient of the loss `l(V_i r_i, y)`: cross-entropy
    with softmax for classes, otherwise the squared error divided by the targets' variance. Maps are pooled to
    4x4 cells first. Errors stay within a stage, but reach its weights through those of its readout.

    Args:
        encoder, task, rule, stimulus_range, check_numerics, **kwargs: see `LocalBaseline`.

    Attributes:
        stage_readouts: list of layers, the readouts by stage, for training only.

    Example:

    >>> encoder = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6)).encoder
    >>> model = keras_bsd.baselines.LocalReadouts(encoder)
    >>> [tuple(readout.kernel.shape) for readout in model.stage_readouts]
    [(8, 3), (6, 3)]

    Source: Nøkland and Eidnes, "Training neural networks with local error signals", ICML 2019.
    """

    title = "local readouts"
    _readouts_learn: ClassVar[bool] = True

    def build_rule(self) -> None:
        target = (self._class_count,) if self._classifies else self.encoder.output_shape[1:]
        self.stage_readouts = [
            LocalReadout(
                stage.output_features,
                target,
                self._classifies,
                kernel_initializer=self._kernel_initializer(),
                trainable=self._readouts_learn,
                name=f"{name}_readout",
            )
            for stage, name in zip(self.encoder_stages, self._stage_names, strict=True)
        ]

    def _kernel_initializer(self) -> Any:
        return "glorot_uniform"

    def sample_losses(self, i: int, rates: Tensor, lesson: Lesson) -> Tensor:
        return self.stage_readouts[i].sample_losses(rates, lesson.targets, lesson.present)
