"""The base class of models that train a spiking encoder by a rule of their own."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._backend import TrainStep
from keras_bsd._observe import SpikeRecorder
from keras_bsd._types import Array, Layer, Path, Shape, Tensor
from keras_bsd.layers._stage import stage_names
from keras_bsd.models._batch_guard import BatchGuard
from keras_bsd.models._data_checks import DataChecks
from keras_bsd.models._distillation import expand_weights
from keras_bsd.models._guarded_model import GuardedModel
from keras_bsd.models._keras_export import export_network
from keras_bsd.models._saved_pair import SavedPair
from keras_bsd.models._stage_monitor import StageMonitor
from keras_bsd.models._structure import check_outputs_probabilities, has_activation
from keras_bsd.models._windows import infer_in_windows, steps_to_split

Task = Literal["classification", "regression"]


class SpikingModel(TrainStep, SavedPair, GuardedModel):
    """Base class of models around a spiking encoder, whose `compute_step` defines how it learns.

    `call`, `predict` and `evaluate` run the encoder alone. A subclass assigns `encoder` and `encoder_stages`,
    calls `_finish` at the end of its constructor, and defines `compute_step` and `owners`.

    Args:
        task: `"classification"` or `"regression"`.
        **kwargs: arguments of `keras.Model`.
    """

    encoder: Any
    encoder_stages: list[Layer]
    stage_readouts: list[Layer]
    feedback: Sequence[Layer] = ()  # through which signals or errors reach stages
    _takes_tokens: Any = False  # whether stimuli are token ids

    def __init__(self, task: Task, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.task = _checks.one_of("task", task, get_args(Task))

    def _finish(self, stimulus_range, check_numerics, monitored, **checks):
        """Build the model and the checks of its data.

        Args:
            stimulus_range, check_numerics: see `BSDModel`.
            monitored: names of the metrics of each stage, in the order of what `compute_step` reports.
            **checks: further arguments of `DataChecks`.
        """
        self._monitor = StageMonitor(self._stage_names, monitored)
        exclusive = has_activation(self.encoder, keras.activations.softmax)
        data_checks = DataChecks(
            self.encoder, self._class_count, exclusive, stimulus_range, self._takes_tokens, **checks
        )
        self._guard = BatchGuard(data_checks, check_numerics, self.local_values, self.stream_like)
        self.build(self.encoder.input_shape)

    @property
    def _classifies(self):
        return self.task == "classification"

    @property
    def _class_count(self):
        """The number of classes, two for one output, or None for continuous targets."""
        return max(2, self.encoder.output_shape[-1]) if self._classifies else None

    @property
    def _stage_names(self):
        names = stage_names(self.encoder)
        return [names[stage] for stage in self.encoder_stages]

    def build(self, input_shape: Shape) -> None:
        self.built = True  # encoder and decoder are built before

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        steps = None if training else steps_to_split(self.encoder, inputs, training=False)
        if steps is not None:
            return infer_in_windows(self.encoder, inputs, steps)
        return self.encoder(inputs, training=training)

    def compile(
        self,
        optimizer: Any = "adamw",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        """See `keras.Model.compile`; the defaults are AdamW, and cross-entropy or mean squared error."""
        if loss is None and self._classifies:
            check_outputs_probabilities(self.encoder)
            loss = "crossentropy"
        super().compile(optimizer, loss or "mse", loss_weights, metrics, **kwargs)

    def compute_step(self, x: Tensor, y: Tensor, sample_weight: Tensor | None = None) -> Any:
        """Return the losses of a training step on a batch, before any weight changes.

        Returns:
            Named tuple with `scores`, `task_loss`, `losses`, a list of scalars in the order of `owners`, their
            sum `total`, whose gradient is the update, and `monitored`, a list of scalars for the logs.
        """
        raise NotImplementedError(f"{self.__class__.__name__} must define `compute_step`.")

    def owners(self) -> list[tuple[str, list[Layer]]]:
        """Return the name of each loss of a step and the layers that are to learn from it."""
        raise NotImplementedError(f"{self.__class__.__name__} must define `owners`.")

    def _owners_of_stages(self, *others):
        """Return the part of `owners` that has the stages' losses.

        Args:
            *others: lists of layers that learn with the stages, such as their teachers.
        """
        readouts = [[readout] for readout in self.stage_readouts] or [[]] * len(self.encoder_stages)
        stages = zip(self._stage_names, readouts, self.encoder_stages, *others, strict=True)
        return [(f"loss of stage '{name}'", [*layers, *readout]) for name, readout, *layers in stages]

    @property
    def learns_without_record(self) -> bool:
        """Whether no gradient passes through time."""
        raise NotImplementedError(f"{self.__class__.__name__} must define `learns_without_record`.")

    def _targets(self, y):
        """Return targets as stages compare them: one-hot classes, or values of the encoder's output shape."""
        shape, classes = self.encoder.output_shape[1:], self._class_count
        if classes and (len(y.shape) == 1 or y.shape[-1] != classes):
            return ops.one_hot(ops.cast(ops.reshape(y, (-1,)), "int32"), classes)
        return ops.reshape(ops.cast(y, "float32"), (-1, *shape))

    def _weights_of_samples(self, sample_weight, masks, count):
        """Return the weights `(count,)` of the samples that stages compare, or None; `masks` are by stage."""
        if sample_weight is None:
            return None
        if any(length != 1 for length in sample_weight.shape[1:]):
            raise ValueError(
                "`sample_weight` must have one weight for each sample, (batch,). "
                f"Received: shape={tuple(sample_weight.shape)}"
            )
        return ops.reshape(sample_weight, (-1,))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        weights = expand_weights(sample_weight, y_pred)
        return super().compute_loss(x, _with_axes_of(y_pred, y), y_pred, weights, training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        return super().compute_metrics(x, _with_axes_of(y_pred, y), y_pred, sample_weight)

    def training_logs(self, x: Tensor, y: Tensor, step: Any, sample_weight: Tensor | None) -> dict[str, Tensor]:
        """Update all metrics after a training step and return their values by name."""
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(step.task_loss, sample_weight=ops.shape(step.scores)[0])
        self._monitor.update_state(step.monitored)
        return {**self.compute_metrics(x, y, step.scores, sample_weight), **self._monitor.result()}

    def get_metrics_result(self) -> dict[str, Any]:
        logs = super().get_metrics_result()  # evaluation runs the encoder alone and has no values for stages
        return {name: value for name, value in logs.items() if name not in self._monitor.names}

    def spikes(self, x: Any) -> dict[str, Array]:
        """Return the spikes of every stage of the encoder, NumPy arrays `(batch, time, ...)` by name."""
        return SpikeRecorder(self.encoder).predict(self._guard.check_first(x), verbose=0)

    def export(
        self,
        filepath: Path,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Export the network for inference; see `keras.Model.export`.

        The input is named `stimulus`, and time loops are written out. On PyTorch `format="torch"` takes batches
        of any size. `keras_bsd.export.export_onnx` writes ONNX files with the outputs of stages and metadata.

        Raises:
            ValueError: Keras cannot export the network in this format on this backend, or sequences of any
                length are not given one by `input_signature`.
            ImportError: a package of the format is not installed.
        """
        export_network(self._inference_model(), filepath, format, verbose, input_signature, kwargs)

    def _inference_model(self):
        """Return the Keras model that `call` runs at inference."""
        return self.encoder


def _with_axes_of(outputs, targets):
    """Return targets `(batch,)` of one output as `(batch, 1)`: Keras would average over the batch instead."""
    is_column = targets is not None and len(outputs.shape) == 2 and outputs.shape[-1] == 1
    return ops.expand_dims(targets, 1) if is_column and len(targets.shape) == 1 else targets
