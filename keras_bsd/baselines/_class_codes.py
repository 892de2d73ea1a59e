"""Fixed class codes: each stage is to fire like the square wave of the class."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Config, Model
from keras_bsd.baselines._base import without_classes
from keras_bsd.baselines._decolle import DECOLLE
from keras_bsd.baselines._direct_feedback_alignment import cell_count
from keras_bsd.layers._stage import SpikingStage, flatten_stages
from keras_bsd.models._spiking_model import Task


@keras.saving.register_keras_serializable("keras_bsd")
class ClassCodes(DECOLLE):
    """Each stage learns to fire like a fixed code of the class, a square wave over its neurons.

    The code of class `c` is a square wave `b_c` of 1 and -1 over the `n` neurons of a stage, or the 4x4 cells
    of its maps, with a frequency of its own: from one period to `n / 4`, evenly spaced. The update is the
    gradient of the cross-entropy of

        softmax_c(<r, b_c> / (n temperature)).

    There is no decoder, no readout that learns, and no signal from other stages; all stages share the codes. In
    the papers LLS has rates without time, and TESS a loss at each time step.

    Args:
        encoder, task, rule, stimulus_range, check_numerics, **kwargs: see `LocalBaseline`. The task is
            classification.
        temperature: positive float. Small ones separate classes whose codes overlap with the rates by little.

    Attributes:
        stage_readouts: list of layers whose kernels hold the codes by stage.

    Example:

    >>> encoder = keras_bsd.applications.SpikingMLP((4,), classes=2, units=(8,)).encoder
    >>> model = keras_bsd.baselines.ClassCodes(encoder, temperature=0.125)
    >>> ops.convert_to_numpy(model.stage_readouts[0].kernel).T.tolist()
    [[1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0], [1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0]]

    Source: Apolinario, Roy and Frenkel, "TESS: a scalable temporally and spatially local learning rule for
    spiking neural networks", IJCNN 2025; Apolinario and Roy, "LLS: local learning rule for deep neural networks
    inspired by neural activity synchronization", WACV 2025.
    """

    title = "fixed class codes, LLS and TESS"
    _config_keys = (*DECOLLE._config_keys, "temperature")

    def __init__(
        self, encoder: Model, task: Task = "classification", temperature: float = 0.05, **kwargs: Any
    ) -> None:
        self.temperature = _checks.real("temperature", temperature, low=0.0, low_open=True)
        super().__init__(encoder, task, **kwargs)

    @classmethod
    def obstacle(cls, encoder: Model, task: Task) -> str | None:
        without = without_classes(encoder, task)
        if without or len(flatten_stages(encoder, SpikingStage)) == 0:
            return without
        classes = max(2, encoder.output_shape[-1])
        for stage in flatten_stages(encoder, SpikingStage):
            cells = cell_count(stage.output_features)
            if len(np.unique(_square_waves(cells, classes), axis=1).T) < classes:
                return (
                    f"codes of {classes} classes do not differ over the {cells} neurons of stage '{stage.name}'"
                )
        return None

    def _kernel_initializer(self) -> Any:
        return SquareWaves(self.temperature)


def _square_waves(inputs, classes):
    """Return the codes `(inputs, classes)`."""
    frequencies = np.linspace(1, max(inputs / 4, 1), classes)
    phases = 2 * math.pi * np.outer((np.arange(inputs) + 0.5) / inputs, frequencies)
    return np.where(np.sin(phases) >= 0, 1.0, -1.0)


@keras.saving.register_keras_serializable("keras_bsd")
class SquareWaves(keras.initializers.Initializer):
    """Square waves along the first axis of a kernel `(inputs, classes)`, divided by inputs and temperature."""

    def __init__(self, temperature):
        self.temperature = temperature

    def __call__(self, shape: tuple[int, int], dtype: Any = None) -> Any:
        inputs, classes = shape
        return ops.convert_to_tensor(_square_waves(inputs, classes) / (inputs * self.temperature), dtype)

    def get_config(self) -> Config:
        return {"temperature": self.temperature}
