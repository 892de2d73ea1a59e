"""The pair: an encoder and a decoder that teach each other stage by stage."""

import functools

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks, _rules
from keras_bsd._backend import TrainStep
from keras_bsd._observe import SpikeRecorder
from keras_bsd._saving import rename_keys
from keras_bsd.losses._layer_loss import NEGATIVES
from keras_bsd.losses._reco import ReCo
from keras_bsd.models._batch_guard import BatchGuard
from keras_bsd.models._distillation import Distillation, expand_weights, weighted_mean
from keras_bsd.models._local_readout import LocalReadout
from keras_bsd.models._stage_monitor import StageMonitor
from keras_bsd.models._structure import check_gives_probabilities, paired_stages

TASKS = ("classification", "regression")


@keras.saving.register_keras_serializable("keras_bsd")
class BSDModel(TrainStep, keras.Model):
    """A spiking encoder and decoder trained by bidirectional spike-based distillation.

    The encoder runs from stimulus to concept, the decoder from concept to stimulus. Both are
    ordinary Keras models made of stages (`SpikingStage` and its kin, and a `Readout` at the end),
    the decoder's mirroring the encoder's in reverse order. At each stage the firing rates of the two
    are compared and both stages learn from that comparison alone; the two readouts learn from the
    target and from the stimulus. No gradient passes from stage to stage.

    `call`, `predict` and `evaluate` run the encoder alone. `fit` logs the task's `loss`, and for
    every stage its alignment (mean affinity of a sample with its teacher) and firing rate.
    `encoder.compile(...)` and `encoder.fit(...)` train the same network by backpropagation through
    time with surrogate gradients.

    Args:
        encoder: built Keras model, stimulus `(batch, ...)` to scores `(batch, classes)` (class
            probabilities) or values `(batch, ...)`.
        decoder: built Keras model from what the encoder gives back to the stimulus's shape.
        task: `"classification"` (sparse or one-hot targets) or `"regression"` (continuous ones).
        rule: `"rate"`, gradient at the mean current, or `"surrogate"`, through each stage's own time
            loop; see `keras_bsd.learning`.
        codebook: run the decoder on each class once instead of on each sample's target, so that
            samples of one class share a teacher. For classification only, and then the default.
            Without it, samples whose targets are alike are not pushed apart: `negatives`.
        negatives: `"dissimilar"`, each pair of samples weighted by how unlike their targets are, or
            `"all"`, all other samples alike, as in the paper. No effect with a codebook.
        layer_loss: `keras_bsd.losses.ReCo` between paired stages.
        recall_loss: Keras loss between stimulus and what the decoder recalls.
        local_readout_weight: non-negative float. Above 0, each stage of the encoder learns also from how well a
            linear readout of its own tells the target from its firing rates, with this weight: by
            cross-entropy, or by the squared error as part of the targets' variance. The readouts serve
            learning alone. No gradient passes between stages, but a stage's own readout sends it one.
        stimulus_range: `(low, high)`: stimuli that do not lie in it are an error, in arrays and in the
            first batch of a stream. Default: none is expected.
        check_numerics: stop with an error at any batch with NaN, infinity or an unknown class, before
            it changes a weight. Otherwise arrays are looked at as a whole before training, and of a
            stream the first batch. Takes every batch through the host, which costs time.

    Raises:
        ValueError: an argument is unknown, the stages do not mirror, or weights lie outside stages.

    Example:

    >>> encoder = keras.Sequential([
    ...     keras.Input((8, 8, 1)),
    ...     keras_bsd.layers.SpikingDense(64, timesteps=4),
    ...     keras_bsd.layers.SpikingDense(64),
    ...     keras_bsd.layers.Readout(keras.layers.Dense(10), "softmax")])
    >>> model = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder))
    >>> model.compile(keras.optimizers.AdamW(3e-3), metrics=["accuracy"])

    Source: Lv et al., "Biologically Plausible Learning via Bidirectional Spike-Based Distillation",
    arXiv 2509.20284.
    """

    _renamed_keys = {"local_readouts": "local_readout_weight"}  # since version 0.1

    def __init__(
        self,
        encoder,
        decoder,
        task="classification",
        rule="rate",
        codebook=None,
        negatives="dissimilar",
        layer_loss=None,
        recall_loss=None,
        local_readout_weight=0.0,
        stimulus_range=None,
        check_numerics=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.task = _checks.one_of("task", task, TASKS)
        self.rule = _checks.one_of("rule", rule, tuple(_rules.RULES))
        self.codebook = task == "classification" if codebook is None else codebook
        if self.codebook and task != "classification":
            raise ValueError(f"A codebook needs classes. Received: codebook={codebook}, task={task!r}")
        self.negatives = _checks.one_of("negatives", negatives, NEGATIVES)
        self.layer_loss = ReCo() if layer_loss is None else layer_loss
        self.recall_loss = keras.losses.MeanSquaredError() if recall_loss is None else recall_loss
        self.encoder, self.decoder = encoder, decoder
        self.encoder_stages, self.decoder_stages = paired_stages(encoder, decoder)
        self._check_ends()
        self.local_readout_weight = _checks.real("local_readout_weight", local_readout_weight, low=0.0)
        self.stage_readouts = self._stage_readouts() if self.local_readout_weight else []
        self._monitor = StageMonitor([stage.name for stage in self.encoder_stages])
        self.stimulus_range = _interval(stimulus_range)
        self._guard = BatchGuard(
            encoder, task == "classification", self.stimulus_range, check_numerics, backend=self
        )
        self.build(encoder.input_shape)

    @property
    def check_numerics(self):
        return self._guard.every_batch

    def build(self, input_shape):
        self.built = True  # encoder and decoder come built

    def call(self, inputs, training=False):
        return self.encoder(inputs, training=training)

    def compile(self, optimizer="adamw", loss=None, loss_weights=None, metrics=None, **kwargs):
        """As `keras.Model.compile`; by default AdamW, and cross-entropy or mean squared error."""
        if loss is None and self.task == "classification":
            check_gives_probabilities(self.encoder)
            loss = "crossentropy"
        super().compile(optimizer, loss or "mse", loss_weights, metrics, **kwargs)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)  # to take the state that was saved

    @functools.wraps(keras.Model.fit)
    def fit(self, x=None, y=None, *args, **kwargs):
        self._guard.start(x, y)
        try:
            history = super().fit(x, y, *args, **kwargs)
        except (AttributeError, StopIteration, ValueError):  # Keras looks at a first batch before all epochs
            self._guard.diagnose(x)
            raise
        self._guard.finish(len(history.epoch))
        if history.epoch:
            self._check_accumulation()
        return history

    def _check_accumulation(self):
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        if optimizer.gradient_accumulation_steps and not int(optimizer.iterations):
            raise ValueError(
                "The optimizer waits for more batches than training had: no weight has changed. Use fewer "
                "accumulation steps, smaller batches or more epochs. "
                f"Received: gradient_accumulation_steps={optimizer.gradient_accumulation_steps}"
            )

    @functools.wraps(keras.Model.evaluate)
    def evaluate(self, x=None, y=None, *args, **kwargs):
        self._guard.check_arrays(x, y)
        return super().evaluate(x, y, *args, **kwargs)

    @functools.wraps(keras.Model.predict)
    def predict(self, x, *args, **kwargs):
        self._guard.check_arrays(x)
        return super().predict(x, *args, **kwargs)

    def make_train_function(self, force=False):
        if self.train_function is None or force:
            if not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)
            super().make_train_function(force)
            watched = self._guard.watch(self.train_function, self.steps_per_execution, self.restore_state)
            self.train_function = watched

    def distil(self, x, y, sample_weight=None):
        """Run both networks on a batch and compare them, stage by stage.

        Args:
            x: stimuli `(batch, ...)`.
            y: targets: classes `(batch,)`, `(batch, 1)` or `(batch, classes)`, or continuous values.
            sample_weight: `(batch,)`, weights of every loss.

        Returns:
            `Distillation`. The gradient of each of its losses stays within one pair of stages.
        """
        self._guard.check_batch(x, y)
        stimuli, targets = self._decoder_views(x, y)
        weights = self._each_sample(sample_weight)
        rule = _rules.RULES[self.rule]
        with _rules.LocalLearning(rule) as backward:
            concepts = ops.eye(targets.shape[-1], dtype=targets.dtype) if self.codebook else targets
            recalled = self.decoder(concepts, training=True)
        with _rules.LocalLearning(rule) as forward:
            scores = self.encoder(x, training=True)

        pairing = self.layer_loss.pairing(
            targets, concepts if self.codebook else None, self.task == "classification", self.negatives
        )
        if self.codebook:
            recalled = ops.tensordot(targets, recalled, axes=1)
        stage_losses, alignments, firing_rates = [], [], []
        for i, (stage, teacher) in enumerate(zip(self.encoder_stages, self.decoder_stages, strict=True)):
            rates = forward.representations[stage.name]
            losses, affinity = self._compare(i, rates, backward.representations[teacher.name], pairing)
            if self.stage_readouts:
                losses = losses + self.local_readout_weight * self.stage_readouts[i].losses_of(rates, targets)
            stage_losses.append(weighted_mean(losses, weights))
            alignments.append(ops.mean(ops.sum(pairing.positives * affinity, axis=-1)))
            firing_rates.append(ops.mean(rates))
        return Distillation(
            scores,
            self.compute_loss(x, y, scores, sample_weight, training=True),
            self.recall_loss(ops.cast(stimuli, recalled.dtype), recalled, expand_weights(weights, stimuli)),
            stage_losses,
            alignments,
            firing_rates,
        )

    def _stage_readouts(self):
        classification, shape = self.task == "classification", self.decoder.input_shape[1:]
        return [
            LocalReadout(stage.output_features, shape, classification, name=f"{stage.name}_readout")
            for stage in self.encoder_stages
        ]

    def _compare(self, i, rates, teacher, pairing):
        """Return loss `(batch,)` and affinity of the `i`-th pair of stages."""
        return self.layer_loss.compare(rates, teacher, pairing)

    def _check_ends(self):
        """Raise unless the decoder takes what the encoder gives and gives what the encoder takes."""
        encoder, decoder = self.encoder, self.decoder
        for name, given, taken in (
            ("the encoder's output", encoder.output_shape, decoder.input_shape),
            ("the encoder's input", encoder.input_shape, decoder.output_shape),
        ):
            if given[1:] != taken[1:]:
                raise ValueError(f"The decoder does not match {name}. Received: {given[1:]} and {taken[1:]}")

    def _decoder_views(self, x, y):
        """Stimuli and targets, sample by sample, as the decoder gives and takes them."""
        return x, self._targets(y)

    def _each_sample(self, sample_weight):
        """Weights of the samples that the stages compare, or None."""
        return sample_weight

    def _targets(self, y):
        """Targets as the decoder takes them: `(batch, classes)`, or of the encoder's output shape."""
        shape = self.encoder.output_shape[1:]
        if self.task == "classification" and (len(y.shape) == 1 or y.shape[-1] != shape[-1]):
            return ops.one_hot(ops.cast(ops.reshape(y, (-1,)), "int32"), shape[-1])
        return ops.reshape(ops.cast(y, "float32"), (-1, *shape))

    def training_logs(self, x, y, step, sample_weight):
        """Update all metrics after a training step and return their values by name."""
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(step.task_loss, sample_weight=ops.shape(step.scores)[0])
        self._monitor.update_state(step.alignments, step.firing_rates)
        return {**self.compute_metrics(x, y, step.scores, sample_weight), **self._monitor.result()}

    def get_metrics_result(self):
        # Evaluation runs the encoder alone: it has nothing to say of the stages.
        logs = super().get_metrics_result()
        return {name: value for name, value in logs.items() if name not in self._monitor.names}

    def recall(self, concepts, batch_size=32):
        """Run the decoder: what stimulus does the model recall for a concept?

        Args:
            concepts: class numbers `(batch,)`, or vectors such as the encoder gives,
                `(batch, classes)` or `(batch, ...)`.
            batch_size: int.

        Returns:
            NumPy array of stimuli, `(batch, ...)` in the units of those trained on.

        Raises:
            ValueError: a class out of range, or vectors of another shape.
        """
        concepts = np.asarray(concepts)
        shape = self.decoder.input_shape[1:]
        classes = self.task == "classification" and len(shape) == 1
        if classes and concepts.ndim == 1:
            self._guard.check_known(concepts)
            concepts = np.eye(shape[-1], dtype="float32")[concepts.astype("int64")]
        if concepts.shape[1:] != shape or not len(concepts):
            expected = f"(batch, {', '.join(map(str, shape))})"
            raise ValueError(
                f"`concepts` must have shape {expected}{' or be class numbers, such as [0, 1]' * classes}. "
                f"Received: shape={concepts.shape}"
            )
        return self.decoder.predict(concepts.astype("float32"), batch_size=batch_size, verbose=0)

    def spikes(self, x):
        """Spikes of every stage of the encoder, dict of NumPy arrays `(batch, time, ...)` by name."""
        return SpikeRecorder(self.encoder).predict(x, verbose=0)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "encoder": serialize(self.encoder),
            "decoder": serialize(self.decoder),
            "task": self.task,
            "rule": self.rule,
            "codebook": self.codebook,
            "negatives": self.negatives,
            "layer_loss": serialize(self.layer_loss),
            "recall_loss": serialize(self.recall_loss),
            "local_readout_weight": self.local_readout_weight,
            "stimulus_range": self.stimulus_range,
            "check_numerics": self.check_numerics,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = rename_keys(config, cls._renamed_keys)
        if config["negatives"] == "unlike":  # its name in version 0.1
            config["negatives"] = "dissimilar"
        for key in ("encoder", "decoder", "layer_loss", "recall_loss"):
            config[key] = keras.saving.deserialize_keras_object(config[key], custom_objects)
        return cls(**config)


def _interval(bounds):
    if bounds is None:
        return None
    low, high = bounds
    low = _checks.real("stimulus_range[0]", low)
    return low, _checks.real("stimulus_range[1]", high, low=low, low_open=True)
