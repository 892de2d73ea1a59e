"""The base classes of rival learning rules: what they share, and what a rule has to define."""

import copy
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

from keras_bsd import _checks, _rules
from keras_bsd._types import Config, Function, Layer, Model, Tensor
from keras_bsd.layers._readout import Readout, SequenceReadout
from keras_bsd.layers._recurrent import SpikingRecurrent
from keras_bsd.layers._stage import SpikingStage, flatten_stages
from keras_bsd.losses._layer_loss import present_samples
from keras_bsd.losses._present import mean_of_present
from keras_bsd.models._distillation import run_locally, weighted_mean
from keras_bsd.models._forecast import check_whole_windows, standardized_views
from keras_bsd.models._pair import Rule
from keras_bsd.models._sequence import one_hot_elements, weights_of_elements
from keras_bsd.models._spiking_model import SpikingModel, Task
from keras_bsd.models._structure import (
    check_built,
    check_classifier,
    check_network,
    outputs_logits,
    takes_spikes,
)


class TrainingStep(NamedTuple):
    """Result of a baseline's training step before any weight changes.

    Attributes:
        scores: the encoder's output, `(batch, ...)`.
        task_loss: scalar, the compiled loss of the encoder's readout.
        stage_losses: list of scalars, one for each stage whose update is the gradient of a loss of its own;
            empty for rules that pass errors from stage to stage. The value of a loss has no meaning, only its
            gradient, where a rule sends errors to stages directly.
        firing_rates: list of scalars, the mean firing rate of the encoder's neurons, by stage.
    """

    scores: Tensor
    task_loss: Tensor
    stage_losses: list[Tensor]
    firing_rates: list[Tensor]

    @property
    def losses(self) -> list[Tensor]:
        """All losses: that of the readout, then those of the stages."""
        return [self.task_loss, *self.stage_losses]

    @property
    def total(self) -> Tensor:
        """Sum of all losses."""
        return sum(self.stage_losses, start=self.task_loss)

    @property
    def monitored(self) -> list[Tensor]:
        """What the logs have of each stage."""
        return self.firing_rates


class Lesson(NamedTuple):
    """What the stages learn from in a training step, one row for each row of a stage's representation.

    Attributes:
        targets: one-hot classes, or values as the encoder standardises them, `(rows, ...)`.
        predictions: what the readout outputs, in the same form.
        weights: of the rows, `(rows,)`, or None.
        present: 0 for rows that are no samples, else 1, `(rows,)`, or None.
    """

    targets: Tensor
    predictions: Tensor
    weights: Tensor | None
    present: Tensor | None

    @property
    def errors(self) -> Tensor:
        """Detached differences of prediction and target, `(rows, values)`."""
        differences = ops.cast(self.predictions, "float32") - ops.cast(self.targets, "float32")
        return ops.stop_gradient(ops.reshape(differences, (ops.shape(differences)[0], -1)))


class Baseline(SpikingModel):
    """Base class of models that train a spiking encoder by a rule other than BSD.

    `call`, `predict` and `evaluate` run the encoder alone, and `fit` logs the task's loss and the firing rate
    of every stage. A rule is a subclass in a module of its own: it sets `title`, returns by `obstacle` why it
    cannot train an encoder, and defines `compute_step`. Most rules subclass `LocalBaseline`, and define only
    the losses of a stage.

    Args:
        encoder: built Keras model of stages, see `keras_bsd.BSDModel`; of recurrent stages where the rule
            covers them.
        task: `"classification"` (targets are classes or one-hot) or `"regression"` (continuous targets).
        stimulus_range, check_numerics: see `keras_bsd.BSDModel`.
        **kwargs: arguments of `keras.Model`.

    Raises:
        ValueError: the rule cannot train the encoder; the error names the stage, and rules that can.
    """

    title: ClassVar[str] = ""
    rows_per_sample: ClassVar[int] = 1  # stimuli that the encoder processes in training for each sample
    uncounted: ClassVar[tuple[str, ...]] = ()  # what an audit of training costs does not count
    _config_keys: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        encoder: Model,
        task: Task = "classification",
        stimulus_range: tuple[float, float] | None = None,
        check_numerics: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(task, **kwargs)
        check_built(encoder, "encoder")
        require_trainable(type(self), encoder, task)
        check_network(encoder, "encoder")
        self.encoder = encoder
        if self._classifies and not self._has_class_of_each_element:
            check_classifier(encoder)
        self.encoder_stages = flatten_stages(encoder, SpikingStage)
        _check_rows(self.encoder_stages)
        self.stage_readouts: list[Layer] = []
        self.feedback = []
        self.build_rule()
        smallest = self.smallest_batch
        self._finish(stimulus_range, check_numerics, ("firing_rate",), smallest_batch=smallest)

    @property
    def smallest_batch(self) -> int:
        """The number of samples that a batch needs for the stages to learn from it."""
        return 1

    @classmethod
    def obstacle(cls, encoder: Model, task: Task) -> str | None:
        """Return why the rule cannot train an encoder, in words that name the stage, or None if it can."""
        return None

    @property
    def rule_name(self) -> str:
        """The rule's name in `list_methods`, or that of a class which is not there."""
        return rule_name(type(self))

    def build_rule(self) -> None:
        """Make what the rule has besides the encoder: the lists of layers `stage_readouts` and `feedback`."""

    @property
    def _takes_tokens(self):
        return self._has_class_of_each_element and len(self.encoder.input_shape) == 2

    @property
    def _has_class_of_each_element(self):
        readout = flatten_stages(self.encoder)[-1]
        of_elements = isinstance(readout, SequenceReadout) and readout.targets == "all"
        return self._classifies and of_elements and len(self.encoder.output_shape) == 3

    def _targets(self, y):
        if self._has_class_of_each_element:
            return one_hot_elements(y, self._class_count)
        return super()._targets(y)

    def _predictions(self, scores):
        """Return the encoder's outputs in the form of targets: of classes, probabilities."""
        if not self._classifies:
            return scores
        scores = ops.reshape(scores, (-1, scores.shape[-1]))
        if outputs_logits(self.encoder):
            scores = ops.sigmoid(scores) if scores.shape[-1] == 1 else ops.softmax(scores, axis=-1)
        return ops.concatenate([1 - scores, scores], axis=-1) if scores.shape[-1] == 1 else scores

    def _lesson(self, x, y, scores, sample_weight, masks):
        """Return the `Lesson` of a batch."""
        targets, predictions = self._targets(y), self._predictions(scores)
        if not self._classifies:
            check_whole_windows(self.encoder, masks)
            targets, predictions = standardized_views(self.encoder, x, targets, predictions)
        targets, predictions = (self._by_row(values, x) for values in (targets, predictions))
        weights = self._row_weights(x, sample_weight, masks)
        return Lesson(targets, predictions, weights, present_samples(weights))

    def _row_weights(self, x, sample_weight, masks):
        """Return the weights `(rows,)` of the rows of representations, or None."""
        weights, stage = self._weights_of_samples(sample_weight, masks, None), self.encoder_stages[-1]
        if not _has_row_for_each_element(stage):
            return weights
        return weights_of_elements(masks.get(stage), None if weights is None else self._by_row(weights, x))

    def _by_row(self, values, x):
        """Return values `(samples, ...)` for each row of representations: those of a sequence, by element."""
        of_sequences = (
            _has_row_for_each_element(self.encoder_stages[-1]) and not self._has_class_of_each_element
        )
        return ops.repeat(values, ops.shape(x)[1], axis=0) if of_sequences else values

    def _weights_of_samples(self, sample_weight, masks, count):
        if sample_weight is None or not self._has_class_of_each_element:
            return super()._weights_of_samples(sample_weight, masks, count)
        return ops.reshape(sample_weight, (-1,))

    def _firing_rates(self, scope, weights=None):
        """Return the mean firing rates of the stages, a list of scalars, after a run in a scope.

        Rows whose weight `(rows,)` is 0 are in no mean.
        """
        representations = [ops.stop_gradient(scope.representations[stage]) for stage in self.encoder_stages]
        return [ops.mean(mean_of_present(rates, present_samples(weights))) for rates in representations]

    def owners(self) -> list[tuple[str, list[Layer]]]:
        return [("task loss", flatten_stages(self.encoder, Readout))]

    @property
    def learns_without_record(self) -> bool:
        return False

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "task": self.task,
            "stimulus_range": self.stimulus_range,
            "check_numerics": self.check_numerics,
            **{key: getattr(self, key) for key in self._config_keys},
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, Any] | None = None) -> "Baseline":
        config = copy.deepcopy(config)  # Keras empties configs of networks
        encoder = keras.saving.deserialize_keras_object(config["encoder"], custom_objects)
        return cls(**{**config, "encoder": encoder})


class LocalBaseline(Baseline):
    """Base class of rules by which each stage has a loss of its own, whose gradient stays within the stage.

    A subclass defines `sample_losses`.

    Args:
        encoder, task: see `Baseline`.
        rule: how the gradient of a stage's firing rates is computed, see `keras_bsd.BSDModel`.
        **kwargs: further arguments of `Baseline`.
    """

    _config_keys: ClassVar[tuple[str, ...]] = ("rule",)

    def __init__(
        self, encoder: Model, task: Task = "classification", rule: Rule | None = None, **kwargs: Any
    ) -> None:
        super().__init__(encoder, task, **kwargs)
        if rule is None:
            rule = "surrogate" if takes_spikes(encoder) else "rate"
        self.rule = _checks.one_of("rule", rule, tuple(_rules.RULES))

    def _stage_rule(self) -> Function:
        """Return the function by which a stage has its firing rates and their gradient, see `_rules`."""
        return _rules.RULES[self.rule]

    def sample_losses(self, i: int, rates: Tensor, lesson: Lesson) -> Tensor:
        """Return the losses `(rows,)` of stage `i` for its firing rates `(rows, ...)`."""
        raise NotImplementedError(f"{self.__class__.__name__} must define `sample_losses`.")

    def compute_step(self, x: Tensor, y: Tensor, sample_weight: Tensor | None = None) -> TrainingStep:
        self._guard.checks.check_axes(x, y)
        scores, scope = run_locally(self.encoder, x, self._stage_rule())
        lesson = self._lesson(x, y, scores, sample_weight, scope.masks)
        losses = [
            weighted_mean(self.sample_losses(i, scope.representations[stage], lesson), lesson.weights)
            for i, stage in enumerate(self.encoder_stages)
        ]
        task_loss = self.compute_loss(x, y, scores, sample_weight, training=True)
        return TrainingStep(scores, task_loss, losses, self._firing_rates(scope, lesson.weights))

    def owners(self) -> list[tuple[str, list[Layer]]]:
        return [*super().owners(), *self._owners_of_stages()]

    @property
    def learns_without_record(self) -> bool:
        return self._stage_rule() in _rules.WITHOUT_RECORD


def rule_name(rule: type) -> str:
    """Return the name of a rule's class in `list_methods`, or that of a class which is not there."""
    from keras_bsd.baselines._index import RULES  # which imports every rule

    return next((name for name, other in RULES.items() if other is rule), rule.__name__)


def require_trainable(rule: Any, encoder: Model, task: Task) -> None:
    """Raise if a rule, a class with `obstacle`, cannot train an encoder; the error names rules that can."""
    from keras_bsd.baselines._index import RULES  # which imports every rule

    obstacle = _obstacle(rule, encoder, task)
    if obstacle is None:
        return
    able = [repr(name) for name, other in RULES.items() if _obstacle(other, encoder, task) is None]
    stages = ", ".join(stage.name for stage in flatten_stages(encoder))
    raise ValueError(
        f"Rule {rule_name(rule)!r} cannot train this encoder: {obstacle}. Received: encoder '{encoder.name}' "
        f"of stages {stages or 'none'}. Rules that can: {', '.join(able) or 'none'}."
    )


def _obstacle(rule, encoder, task):
    if not flatten_stages(encoder, SpikingStage):
        return f"'{encoder.name}' has no spiking stage"
    if not flatten_stages(encoder, Readout) or len(encoder.inputs) != 1:
        return f"'{encoder.name}' has not one input and a Readout"
    return rule.obstacle(encoder, task)


def _check_rows(stages):
    """Raise unless the representations of recurrent stages have a row for the same elements."""
    targets = {stage.name: stage.targets for stage in stages if stage.takes_elements}
    if len({*targets.values()}) > 1:
        listed = ", ".join(f"'{name}' {target!r}" for name, target in targets.items())
        raise ValueError(
            "Recurrent stages must have the same `targets`, since all learn from the same rows. "
            f"Received: {listed}"
        )


def _has_row_for_each_element(stage):
    return stage.takes_elements and stage.targets == "all"


def first_recurrent(encoder: Model) -> str | None:
    """Return an obstacle for rules that do not cover recurrent stages, or None if there is none of them."""
    recurrent = flatten_stages(encoder, SpikingRecurrent)
    return f"stage '{recurrent[0].name}' is recurrent" if recurrent else None


def without_classes(encoder: Model, task: Task) -> str | None:
    """Return an obstacle for rules that need classes, or None for classification."""
    if task == "classification":
        return None
    readout = flatten_stages(encoder, Readout)[-1].name
    return f"the rule needs classes, and the task of readout '{readout}' is {task}"
