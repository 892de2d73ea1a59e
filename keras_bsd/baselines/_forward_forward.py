"""Forward-forward: each stage fires more for the stimulus with its own class than with a wrong one."""

from typing import Any, ClassVar, Literal, get_args

import keras
from keras import ops

from keras_bsd import _checks, _rules
from keras_bsd._types import Model, Tensor
from keras_bsd.baselines._base import LocalBaseline, TrainingStep, first_recurrent, without_classes
from keras_bsd.layers._readout import Readout
from keras_bsd.layers._stage import flatten_stages
from keras_bsd.models._distillation import run_locally, weighted_mean
from keras_bsd.models._spiking_model import Task
from keras_bsd.models._structure import takes_spikes

Decision = Literal["goodness", "readout"]


@keras.saving.register_keras_serializable("keras_bsd")
class ForwardForward(LocalBaseline):
    """Each stage learns to fire more for a stimulus that carries its class than for one that carries another.

    A fixed random pattern for each class, of the stimulus' shape, is added to the stimulus. With the goodness
    `g`, the mean of a stage's squared firing rates, the update is the gradient of

        softplus(sharpness (g_wrong - g_true))

    for the stimulus with the pattern of its class and with that of another one, a random one for each sample.
    In Hinton's loss each of the two is compared with a threshold; a threshold that fits all stages would depend
    on their normalisation, their neurons and the number of time steps. There is no decoder, and no error or
    target reaches a stage but by its input and the sign of its update.

    The model's prediction is by goodness: the softmax over classes of the goodness with the pattern of each,
    averaged over stages, for which the encoder runs on as many stimuli as there are classes. The readout of the
    encoder learns from the stimulus with the mean of all patterns, which tells no class, and `fit` logs the
    `loss` and metrics of its predictions; those of validation data are of the model's.

    Args:
        encoder, task, rule, stimulus_range, check_numerics, **kwargs: see `LocalBaseline`. The task is
            classification, the encoder has no recurrent stages, and stimuli are values, no token ids.
        decision: what `call`, `predict` and `evaluate` return: class probabilities by `"goodness"`, or those of
            the `"readout"`, for which one run is enough, but which knows only the last stage.
        sharpness: positive float. Small ones separate the two by much in all samples, large ones by little.
        pattern_scale: positive float, the standard deviation of the normally distributed patterns.

    Attributes:
        patterns: variable `(classes, ...)`, drawn once by Keras's global seed and saved with the model. Stimuli
            over time have patterns without a time axis, added to all time steps that hold a value other than 0.

    Example:

    >>> encoder = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6)).encoder
    >>> model = keras_bsd.baselines.ForwardForward(encoder)
    >>> tuple(model.patterns.shape), tuple(model(np.zeros((2, 4))).shape)
    ((3, 4), (2, 3))

    Source: Hinton, "The forward-forward algorithm: some preliminary investigations", arXiv 2212.13345; with
    spiking neurons, Ghader et al., "Backpropagation-free spiking neural networks with the forward-forward
    algorithm", arXiv 2502.20411; patterns of the stimulus' shape, Scodellaro et al., "Training convolutional
    neural networks with the forward-forward algorithm", arXiv 2312.14924; the loss, Lee and Song, "SymBa:
    symmetric backpropagation-free contrastive learning with forward-forward algorithm for optimizing
    convergence", arXiv 2303.08418.
    """

    title: ClassVar[str] = "forward-forward"
    rows_per_sample: ClassVar[int] = 3
    _config_keys: ClassVar[tuple[str, ...]] = (
        *LocalBaseline._config_keys,
        "decision",
        "sharpness",
        "pattern_scale",
    )

    def __init__(
        self,
        encoder: Model,
        task: Task = "classification",
        decision: Decision = "goodness",
        sharpness: float = 64.0,
        pattern_scale: float = 0.5,
        **kwargs: Any,
    ) -> None:
        self.decision = _checks.one_of("decision", decision, get_args(Decision))
        self.sharpness = _checks.real("sharpness", sharpness, low=0.0, low_open=True)
        self.pattern_scale = _checks.real("pattern_scale", pattern_scale, low=0.0, low_open=True)
        super().__init__(encoder, task, **kwargs)

    @classmethod
    def obstacle(cls, encoder: Model, task: Task) -> str | None:
        (stimulus,), readout = encoder.inputs, flatten_stages(encoder, Readout)[-1].name
        if not keras.backend.is_float_dtype(stimulus.dtype):
            return f"to the token ids of input '{stimulus.name}' no pattern of a class can be added"
        if len(encoder.output_shape) != 2:
            return f"readout '{readout}' has not one class for each stimulus"
        if None in _pattern_shape(encoder):
            return f"the shape of a pattern, that of input '{stimulus.name}', is not known"
        return without_classes(encoder, task) or first_recurrent(encoder)

    def build_rule(self) -> None:
        self.patterns = self.add_weight(
            shape=(self._class_count, *_pattern_shape(self.encoder)),
            initializer=keras.initializers.RandomNormal(stddev=self.pattern_scale),
            trainable=False,
            name="patterns",
        )
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if training or self.decision == "readout":
            return super().call(self._add_mean_pattern(inputs), training=training)
        return self._probabilities(self._goodness_by_class(inputs))

    def compute_step(self, x: Tensor, y: Tensor, sample_weight: Tensor | None = None) -> TrainingStep:
        self._guard.checks.check_axes(x, y)
        classes = ops.cast(ops.argmax(self._targets(y), axis=-1), "int32")
        parts = self._add_pattern(x, classes), self._add_pattern(x, self._draw_wrong(classes))
        rows = ops.concatenate([*parts, self._add_mean_pattern(x)], axis=0)
        scores, scope = run_locally(self.encoder, rows, _rules.RULES[self.rule])
        _, _, scores = ops.split(scores, 3, axis=0)
        weights = self._weights_of_samples(sample_weight, None, None)
        losses = [
            weighted_mean(self._stage_losses(scope.representations[stage]), weights)
            for stage in self.encoder_stages
        ]
        task_loss = self.compute_loss(x, y, scores, sample_weight, training=True)
        return TrainingStep(scores, task_loss, losses, self._firing_rates(scope))

    def _inference_model(self):
        stimulus = keras.Input(self.encoder.input_shape[1:], dtype=self.encoder.inputs[0].dtype)
        return keras.Model(stimulus, self(stimulus))

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        store["seed"] = self.seed_generator.state  # Keras saves none of a generator

    def load_own_variables(self, store: Any) -> None:
        names = [name for name in store.keys() if name != "seed"]  # noqa: SIM118, it is no dict
        self.seed_generator.state.assign(store["seed"])
        super().load_own_variables({name: store[name] for name in names})

    def _stage_losses(self, rates):
        """Return the losses `(batch,)` for firing rates `(3 batch, ...)`, with true, wrong and mean pattern."""
        true, wrong, _ = ops.split(_goodness(rates), 3)
        return ops.softplus(self.sharpness * (wrong - true))

    def _draw_wrong(self, classes):
        """Return for each class one of the others, all equally likely."""
        count = self._class_count
        steps = keras.random.randint(ops.shape(classes), 1, count, dtype="int32", seed=self.seed_generator)
        return (classes + steps) % count

    def _add_pattern(self, x, classes):
        """Return stimuli `(batch, ...)` with the patterns of classes `(batch,)`."""
        return self._add(x, ops.take(self.patterns, classes, axis=0))

    def _add_mean_pattern(self, x):
        return self._add(x, ops.mean(self.patterns, axis=0, keepdims=True))

    def _add(self, x, patterns):
        """Return stimuli with patterns, whose axes before those of a pattern are broadcast."""
        x, patterns = ops.cast(x, "float32"), ops.cast(patterns, "float32")
        if not takes_spikes(self.encoder):
            return x + patterns
        axes = tuple(range(-len(_pattern_shape(self.encoder)), 0))
        # Time steps of zeros may be padding, which layers in front of the stages mask.
        holds_value = ops.any(ops.not_equal(x, 0), axis=axes, keepdims=True)
        return x + ops.expand_dims(patterns, axes[0] - 1) * ops.cast(holds_value, "float32")

    def _goodness_by_class(self, x):
        """Return the goodness with the pattern of each class, averaged over stages, `(batch, classes)`."""
        by_class = self._add(ops.expand_dims(x, 1), self.patterns)
        with _rules.LocalLearning(_rules.RULES["surrogate"]) as scope:
            self.encoder(ops.reshape(by_class, (-1, *ops.shape(x)[1:])), training=False)
        by_stage = [_goodness(scope.representations[stage]) for stage in self.encoder_stages]
        return ops.reshape(sum(by_stage) / len(by_stage), (-1, self._class_count))

    def _probabilities(self, goodness):
        """Return the outputs, of the encoder's output shape: of one output, that of the second class."""
        return ops.softmax(self.sharpness * goodness, axis=-1)[:, -self.encoder.output_shape[-1] :]


def _goodness(rates):
    """Return the mean of squared firing rates `(batch, ...)`, `(batch,)`."""
    return ops.mean(ops.square(ops.cast(rates, "float32")), axis=tuple(range(1, len(rates.shape))))


def _pattern_shape(encoder):
    """Return the shape of a stimulus, of those over time that of a time step."""
    return encoder.input_shape[2 if takes_spikes(encoder) else 1 :]
