"""The pair: an encoder and a decoder that train each other stage by stage."""

import copy
from typing import Any, Literal, get_args

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks, _rules
from keras_bsd._saving import rename_keys
from keras_bsd._types import Array, ArrayLike, Config, Function, Layer, Model, Tensor
from keras_bsd.layers._guided import GuidedStage
from keras_bsd.layers._masks import masked, mean_over_time
from keras_bsd.layers._readout import Readout
from keras_bsd.layers._stage import flatten_stages
from keras_bsd.losses._layer_loss import NEGATIVES, LayerLoss, Negatives, pair_samples, present_samples
from keras_bsd.losses._present import mean_of_present
from keras_bsd.models._distillation import Distillation, expand_weights, run_locally, weighted_mean
from keras_bsd.models._identifiers import layer_loss_of, recall_loss_of
from keras_bsd.models._local_readout import LocalReadout
from keras_bsd.models._saved_pair import Application
from keras_bsd.models._spiking_model import SpikingModel, Task
from keras_bsd.models._structure import (
    check_classifier,
    check_ends,
    paired_stages,
    takes_spikes,
)

Rule = Literal["rate", "surrogate"]
TeacherSignal = Literal["current", "rate"]


@keras.saving.register_keras_serializable("keras_bsd")
class BSDModel(SpikingModel):
    """A spiking encoder and decoder trained by bidirectional spike-based distillation.

    The encoder maps a stimulus to a concept, the decoder a concept to a stimulus. Both are Keras models of
    stages (`SpikingStage` and its subclasses, and a `Readout` at the end); the decoder's stages mirror the
    encoder's in reverse order. A layer loss compares the firing rates of each stage with those of its teacher,
    the mirrored stage, and both stages learn from that loss alone; the two readouts learn from the target and
    from the stimulus. No gradient passes from stage to stage.

    `call`, `predict` and `evaluate` run the encoder alone. `fit` logs the task's `loss`, and the alignment
    (mean affinity of the positive pairs) and firing rate of every stage. `encoder.compile(...)` and
    `encoder.fit(...)` train the same network by backpropagation through time with surrogate gradients.

    Args:
        encoder: built Keras model from stimuli `(batch, ...)` to class probabilities `(batch, classes)`, to
            that of the second of two classes `(batch, 1)`, or to values `(batch, ...)`.
        decoder: built Keras model from the shape of the encoder's output to the shape of its input.
        task: `"classification"` (targets are classes or one-hot) or `"regression"` (continuous targets).
        rule: how a stage's gradient is computed: `"rate"`, at the mean current, whose memory does not grow with
            the number of timesteps, or `"surrogate"`, through the stage's own timesteps. Default: `"rate"`, but
            `"surrogate"` if stimuli are spikes or values over time, of which the mean current says less.
        codebook: run the decoder once on each class instead of on each sample's target, so that the samples of
            a class share a prototype. Only for classification, where it is the default.
        negatives: without a codebook, `"dissimilar"` weights negative pairs by the dissimilarity of their
            targets, `"all"` weights them equally, as in the paper.
        layer_loss: `keras_bsd.losses.LayerLoss` between a stage and its teacher, or `"info_nce"`, `"reco"`,
            `"frequency_reco"` or `"similarity_matching"` with their default arguments (default:
            `keras_bsd.losses.ReCo()`).
        recall_loss: Keras loss between the stimulus and the decoder's output, its name or a function, as
            `compile` takes them (default: mean squared error).
        local_readout_weight: non-negative float, the weight of an auxiliary loss of each encoder stage: a
            linear readout of its firing rates predicts the target (cross-entropy, or mean squared error divided
            by the targets' variance). The readouts are for training only, and their gradients stay within their
            stage.
        local_readout_depth: 1, or 2 for a hidden layer as wide as the stage before each of these readouts: what
            a stage represents need then not be linearly separable. It is trained with the stage, through whose
            readout its error passes.
        stimulus_range: `(low, high)` in which stimuli must lie; data in memory and the first batch of a stream
            are checked, by all methods that take stimuli. Default: not checked.
        teacher_signal: what the encoder's firing rates are compared with: `"current"`, the mean current of a
            decoder's stage, or `"rate"`, its firing rates, which few timesteps make coarse, as in the paper.
            Default: `"current"` if stages of the decoder receive the concept beside spikes (`GuidedStage`),
            as those that `mirror` makes for classes, otherwise `"rate"`. The neurons of a decoder that
            teaches by its currents are set to learn nothing, since a current depends on no leak or threshold.
        check_numerics: raise at any batch of a stream with NaN, infinity or an unknown class, before it changes
            a weight. Without it the first batch is checked; data in memory always is, as a whole. Every batch
            then passes through the host, which takes time.
        **kwargs: arguments of `keras.Model`.

    Raises:
        ValueError: an argument is out of range or unknown, the stages do not mirror each other, or weights lie
            outside stages.

    Example:

    >>> encoder = keras.Sequential([
    ...     keras.Input((8, 8, 1)),
    ...     keras_bsd.layers.SpikingDense(64, timesteps=4),
    ...     keras_bsd.layers.SpikingDense(64),
    ...     keras_bsd.layers.Readout(keras.layers.Dense(10), "softmax")])
    >>> model = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder))
    >>> model.compile(keras.optimizers.AdamW(6e-3), metrics=["accuracy"])
    >>> tuple(model(np.zeros((2, 8, 8, 1))).shape)
    (2, 10)

    Source: Lv et al., "Biologically Plausible Learning via Bidirectional Spike-Based Distillation",
    arXiv 2509.20284.
    """

    _renamed_keys = {"local_readouts": "local_readout_weight"}  # since version 0.1

    def __init__(
        self,
        encoder: Model,
        decoder: Model,
        task: Task = "classification",
        rule: Rule | None = None,
        codebook: bool | None = None,
        negatives: Negatives = "dissimilar",
        layer_loss: LayerLoss | str | None = None,
        recall_loss: keras.losses.Loss | str | Function | None = None,
        local_readout_weight: float = 0.0,
        stimulus_range: tuple[float, float] | None = None,
        check_numerics: bool = False,
        teacher_signal: TeacherSignal | None = None,
        local_readout_depth: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(task, **kwargs)
        self.codebook = self._classifies if codebook is None else codebook
        if self.codebook and not self._classifies:
            raise ValueError(f"A codebook needs classes. Received: codebook={codebook}, task={task!r}")
        self.negatives = _checks.one_of("negatives", negatives, NEGATIVES)
        self.layer_loss = layer_loss_of(layer_loss)
        self.recall_loss = recall_loss_of(recall_loss)
        self.encoder, self.decoder = encoder, decoder
        self.encoder_stages, self.decoder_stages = paired_stages(encoder, decoder)
        if rule is None:
            rule = "surrogate" if takes_spikes(encoder) else "rate"
        self.rule = _checks.one_of("rule", rule, tuple(_rules.RULES))
        self.teacher_signal = self._teacher_signal_of(teacher_signal)
        if self.teacher_signal == "current":  # which depends on no leak and no threshold
            for stage in self.decoder_stages:
                stage.neuron.trainable = False
        self._check_ends()
        self.local_readout_weight = _checks.real("local_readout_weight", local_readout_weight, low=0.0)
        self.local_readout_depth = _checks.one_of("local_readout_depth", local_readout_depth, (1, 2))
        if local_readout_depth > 1 and not self.local_readout_weight:
            raise ValueError(
                "Without a weight there are no local readouts that could have a depth. Received: "
                f"{local_readout_depth=}, {local_readout_weight=}. Set `local_readout_weight`, such as to 1.0."
            )
        self.stage_readouts = self._build_stage_readouts() if self.local_readout_weight else []
        self._finish(
            stimulus_range,
            check_numerics,
            ("alignment", "firing_rate"),
            targets_must_differ=not self.codebook,
            smallest_batch=max(self.layer_loss.smallest_batch, self.local_readout_depth),
        )

    def _teacher_signal_of(self, signal):
        centring = getattr(self.layer_loss, "centring", "batch")
        if signal is None:
            is_guided = any(isinstance(stage, GuidedStage) for stage in self.decoder_stages)
            return "current" if is_guided and centring is not None else "rate"
        _checks.one_of("teacher_signal", signal, get_args(TeacherSignal))
        if signal == "current" and centring is None:
            raise ValueError(
                "Currents have any sign and rates none, so that their cosine means something only if both are "
                f"centred. Received: teacher_signal={signal!r}, layer_loss with centring=None. Set `centring` "
                'to "batch" or "sample", or `teacher_signal` to "rate".'
            )
        return signal

    @property
    def class_concepts(self) -> Array:
        """The decoder's inputs for all classes, `(classes, outputs)`: one-hot, or of one output 0 and 1."""
        return self._decoder_inputs(np.eye(self._class_count, dtype="float32"))

    def _build_stage_readouts(self):
        target = (self._class_count,) if self._classifies else self.decoder.input_shape[1:]
        return [
            LocalReadout(
                stage.output_features,
                target,
                self._classifies,
                self.local_readout_depth,
                stage.compute_dtype,
                name=f"{name}_readout",
            )
            for stage, name in zip(self.encoder_stages, self._stage_names, strict=True)
        ]

    @property
    def learns_without_record(self) -> bool:
        return _rules.RULES[self.rule] in _rules.WITHOUT_RECORD

    def owners(self) -> list[tuple[str, list[Layer]]]:
        return [
            ("task loss", flatten_stages(self.encoder, Readout)),
            ("recall loss", flatten_stages(self.decoder, Readout)),
            *self._owners_of_stages(self.decoder_stages),
        ]

    def compute_step(self, x: Tensor, y: Tensor, sample_weight: Tensor | None = None) -> Distillation:
        return self.distil(x, y, sample_weight)

    def distil(self, x: Tensor, y: Tensor, sample_weight: Tensor | None = None) -> Distillation:
        """Run both networks on a batch and compare them, stage by stage.

        Args:
            x: stimuli `(batch, ...)`.
            y: targets: classes `(batch,)`, `(batch, 1)` or one-hot `(batch, classes)`, or continuous values.
            sample_weight: `(batch,)`, weights in every loss. A row of weight 0 is no sample: nothing depends on
                what it holds, except for the statistics of batch normalisation.

        Returns:
            `Distillation`. The gradient of each of its losses stays within one pair of stages.
        """
        self._guard.checks.check_axes(x, y)
        stimuli, targets = self._decoder_views(x, y)
        concepts = ops.eye(targets.shape[-1], dtype=targets.dtype) if self.codebook else targets
        rule = _rules.RULES[self.rule]
        teaching = rule if self.teacher_signal == "rate" else _rules.current_rule
        recalled, decoding = run_locally(self.decoder, self._decoder_inputs(concepts), teaching)
        scores, encoding = run_locally(self.encoder, x, rule)
        weights = self._weights_of_samples(sample_weight, encoding.masks, ops.shape(targets)[0])
        present = present_samples(weights)
        recalls_mean = len(stimuli.shape) > len(self.decoder.output_shape)  # of spikes over time
        if recalls_mean:
            with masked(encoding.masks.get(self.encoder_stages[0])):
                stimuli = mean_over_time(ops.cast(stimuli, recalled.dtype))

        codebook = concepts if self.codebook else None
        pairing = pair_samples(self.layer_loss, targets, codebook, self._classifies, self.negatives, present)
        if self.codebook:
            recalled = ops.tensordot(targets, recalled, axes=1)
        stage_losses, alignments, firing_rates = [], [], []
        for i, (stage, teacher) in enumerate(zip(self.encoder_stages, self.decoder_stages, strict=True)):
            rates = encoding.representations[stage]
            losses, affinity = self._compare(i, rates, decoding.representations[teacher], pairing)
            if self.stage_readouts:
                readout_losses = self.stage_readouts[i].sample_losses(rates, targets, present)
                losses = losses + self.local_readout_weight * readout_losses
            stage_losses.append(weighted_mean(losses, weights))
            alignments.append(mean_of_present(ops.sum(pairing.positives * affinity, axis=-1), present))
            firing_rates.append(ops.mean(mean_of_present(rates, present)))
        return Distillation(
            scores,
            self.compute_loss(x, y, scores, sample_weight, training=True),
            self.recall_loss(ops.cast(stimuli, recalled.dtype), recalled, expand_weights(weights, stimuli)),
            stage_losses,
            alignments,
            firing_rates,
        )

    def _compare(self, i, rates, teacher, pairing):
        """Return loss `(batch,)` and affinity of the `i`-th pair of stages."""
        return self.layer_loss.compare(rates, teacher, pairing)

    def _check_ends(self):
        check_ends(self.encoder, self.decoder)
        if self._classifies:
            check_classifier(self.encoder)

    def _decoder_views(self, x, y):
        """Return stimuli and targets, one row per sample, as the decoder outputs and takes them."""
        return x, self._targets(y)

    def _decoder_inputs(self, concepts):
        """Return one-hot classes or values as the decoder takes them: one output is the second class."""
        return concepts[:, -self.decoder.input_shape[-1] :] if self._classifies else concepts

    def recall(self, concepts: ArrayLike, batch_size: int = 32) -> Array:
        """Return the stimuli that the decoder recalls for concepts.

        Args:
            concepts: classes `(batch,)`, ints, or vectors of the encoder's output shape, `(batch, classes)` or
                `(batch, ...)`.
            batch_size: positive int.

        Returns:
            NumPy array of stimuli, `(batch, ...)`, in the units of the training stimuli.

        Raises:
            ValueError: a class is out of range, or vectors have another shape.
        """
        vectors: Array = np.asarray(concepts)
        shape = self.decoder.input_shape[1:]
        takes_classes = self._classifies and len(shape) == 1
        if takes_classes and vectors.ndim == 1:
            self._guard.checks.check_known(vectors)
            vectors = self.class_concepts[vectors.astype("int64")]
        if vectors.shape[1:] != shape or not len(vectors):
            expected = f"(batch, {', '.join(map(str, shape))})"
            raise ValueError(
                f"`concepts` must have shape {expected}{' or be classes, such as [0, 1]' * takes_classes}. "
                f"Received: shape={vectors.shape}"
            )
        return self.decoder.predict(vectors.astype("float32"), batch_size=batch_size, verbose=0)

    def get_config(self) -> Config:
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
            "local_readout_depth": self.local_readout_depth,
            "stimulus_range": self.stimulus_range,
            "check_numerics": self.check_numerics,
            "teacher_signal": self.teacher_signal,
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, Any] | None = None) -> "BSDModel":
        config = rename_keys(copy.deepcopy(config), cls._renamed_keys)  # Keras empties configs of networks
        config.setdefault("teacher_signal", "rate")  # version 0.1 had no other
        application = config.pop("application", None)
        if config["negatives"] == "unlike":  # its name in version 0.1
            config["negatives"] = "dissimilar"
        for key in ("encoder", "decoder", "layer_loss", "recall_loss"):
            config[key] = keras.saving.deserialize_keras_object(config[key], custom_objects)
        model = cls(**config)
        model._application = None if application is None else Application(**application)
        return model
