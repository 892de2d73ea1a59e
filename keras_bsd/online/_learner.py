"""A learner around a pair, for a stream of samples."""

import io
import json
import operator
import zipfile
from collections.abc import Iterable
from typing import Any, Literal, get_args

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks
from keras_bsd._files import atomic_write, check_zip, expand
from keras_bsd._types import Array, ArrayLike, Model, Path
from keras_bsd.models._data_checks import checked_samples, checked_stimuli
from keras_bsd.models._spiking_model import SpikingModel
from keras_bsd.models._structure import outputs_logits
from keras_bsd.online._replay import Recall, Stored

Replay = Literal["recall", "stored"]
_MEMBER = "online.npz"
_WINDOW = 100  # samples over which the frequency of a class in the stream is measured
_FEW = 8  # a batch with fewer samples is completed by rehearsed ones, whatever their classes
_TINY = 1e-12  # so that probabilities exist where those of all known classes are 0
_LEAST = 0.1  # the least share of the loss for which rehearsal pays


class OnlineLearner:
    """A pair that learns from a stream of single samples or small batches, without forgetting earlier classes.

    Each call of `learn` is one training step, on the new samples and on rehearsed ones of classes that the
    stream lacks: the rarer a class is among the last samples, the larger its share of the loss. If all are
    equally frequent, none is rehearsed. The model may have more classes than it has learned so far: the first
    sample of a class makes it a known one.

    With batch normalisation a training step needs the statistics of a batch, and layer losses compare samples
    with the mean of theirs. Rehearsed samples provide both for a batch of one.

    Args:
        model: `keras_bsd.BSDModel` that classifies, with an output for each class that may come, or a rival
            rule of `keras_bsd.baselines`, which has no decoder to recall by.
        replay: what is rehearsed. `"recall"`: the typical stimulus of a class, varied by the deviations of
            samples, of any class, from theirs. Typical stimuli are at first those that the decoder recalls,
            and follow the mean of the stream. `"stored"`: samples of the stream, as many of each class.
            `None`: nothing.
        optimizer: Keras optimizer, with which the model is compiled; not needed if it is compiled already.
        rehearsed: positive int, the number of rehearsed samples of a step; with `"recall"` also the number of
            deviations that are kept.
        memory: positive int, the number of samples that `"stored"` keeps: at least one for each class.
        known: ints, the classes that the model has learned before, by `fit`. With `"recall"` its decoder
            recalls them; for `"stored"` pass samples to `remember`.
        seed: int of at least 0, for the choice of what is rehearsed.

    Attributes:
        model: the pair, for evaluation, recall and export.

    Raises:
        ValueError: an argument is out of range or unknown, or the model does not classify stimuli of one shape.

    Example:

    >>> (x, y), _ = keras_bsd.datasets.load_images("digits")
    >>> model = keras_bsd.applications.SpikingMLP((8, 8, 1), classes=10, units=(32,))
    >>> learner = keras_bsd.online.OnlineLearner(model, optimizer=keras.optimizers.AdamW(1e-3))
    >>> zeros, ones = x[y == 0], x[y == 1]
    >>> for sample in zeros[:20]:
    ...     logs = learner.learn(sample[None], [0])
    >>> logs = learner.learn(ones[:10], [1] * 10)
    >>> learner.known
    [0, 1]

    Source: Shin et al., "Continual Learning with Deep Generative Replay", NeurIPS 2017, for the idea; here the
    generator is the pair's own decoder.
    """

    def __init__(
        self,
        model: Model,
        replay: Replay | None = "recall",
        optimizer: Any = None,
        rehearsed: int = 32,
        memory: int = 200,
        known: Iterable[int] = (),
        seed: int | None = None,
    ) -> None:
        self.model = _checked_model(model, optimizer)
        self._settings = {
            "replay": _checks.one_of("replay", replay, (*get_args(Replay), None)),
            "rehearsed": _checks.integer("rehearsed", rehearsed, low=1),
            "memory": _checks.integer("memory", memory, low=1),
        }
        if replay == "stored" and memory < model._class_count:
            raise ValueError(
                f"`memory` must be at least {model._class_count}, a sample for each class of the model. "
                f"Received: memory={memory}. Classes without one would not be rehearsed."
            )
        classes = _known_classes(model, known)
        self._generator = np.random.default_rng(None if seed is None else _checks.integer("seed", seed))
        self._known = np.zeros(model._class_count, bool)
        self._known[classes] = True
        self._frequencies, self._samples = np.zeros(model._class_count), 0
        self._replay: Any = None
        if replay == "recall" and len(classes) and not _recalls_stimuli(model):
            raise ValueError(
                "Only a model with a decoder to stimuli of the encoder's shape can recall classes that it has "
                f"learned before. Received: known={classes.tolist()}, {type(model).__name__} '{model.name}'. "
                "Omit `known`, and pass samples to `remember`."
            )
        if replay == "recall":
            self._replay = Recall(model, classes, rehearsed)
        elif replay == "stored":
            self._replay = Stored(model, memory)

    @property
    def known(self) -> list[int]:
        """The classes learned so far."""
        return [int(label) for label in np.flatnonzero(self._known)]

    def learn(self, x: ArrayLike, y: ArrayLike) -> dict[str, float]:
        """Take one training step on new samples and rehearsed ones.

        Args:
            x: stimuli `(batch, ...)`; the batch may be of one sample.
            y: classes `(batch,)`, or one-hot `(batch, classes)`.

        Returns:
            Dict of the step's loss and metrics, those of rehearsed samples included.

        Raises:
            ValueError: there is no sample, a stimulus is not finite or has another shape or range, a class is
                unknown to the model, or a single sample has nothing to be compared with (without `replay`). No
                weight has changed then, and nothing is remembered.
        """
        x, labels = self._samples_of(x, y)
        before, frequencies = getattr(self._replay, "arrays", None), self._frequencies_with(labels)
        try:
            rows, targets, weights = self._with_rehearsed(x, labels, frequencies)
            if np.ndim(y) == 2 and np.shape(y)[1] > 1:  # as the model's loss may need them
                targets = np.eye(self.model._class_count, dtype="float32")[targets]
            self.model.reset_metrics()
            logs = self.model.train_on_batch(rows, targets, weights, return_dict=True)
        except BaseException:
            if self._replay is not None:
                self._replay.arrays = before
            raise
        self._known[labels], self._frequencies = True, frequencies
        self._samples += len(labels)
        return {name: float(value) for name, value in logs.items()}

    def remember(self, x: ArrayLike, y: ArrayLike) -> None:
        """Prepare the rehearsal of classes that the model has learned before, without a training step.

        Args:
            x, y: samples as of `learn`, such as some of those that the model was trained on.

        Raises:
            ValueError: see `learn`; or there is no replay.
        """
        if self._replay is None:
            raise ValueError(
                'Without replay nothing is remembered. Received: replay=None. Pass replay="recall".'
            )
        x, labels = self._samples_of(x, y)
        self._replay.arrays = self._replay.updated(x, labels, self._generator)
        self._known[labels] = True

    def predict(self, x: ArrayLike, batch_size: int = 32) -> Array:
        """Return the probabilities of all classes, `(batch, classes)`, 0 for those not learned so far.

        Args:
            x: stimuli `(batch, ...)`.
            batch_size: positive int.

        Raises:
            ValueError: stimuli have another shape or range, or no class has been learned.
        """
        if not self._known.any():
            raise ValueError("The learner knows no class yet. Received: known=[]. Call `learn` first.")
        scores = self.model.predict(checked_stimuli(self.model, x), batch_size=batch_size, verbose=0)
        if outputs_logits(self.model.encoder):
            activation = ops.sigmoid if scores.shape[1] == 1 else ops.softmax
            scores = ops.convert_to_numpy(activation(scores))
        if scores.shape[1] == 1:
            scores = np.concatenate([1 - scores, scores], axis=1)
        scores = (scores + _TINY) * self._known
        return scores / scores.sum(axis=1, keepdims=True)

    def save(self, path: Path) -> None:
        """Write the model, its optimizer and what the learner remembers to one `.keras` file.

        `keras.saving.load_model` reads the model from it, `OnlineLearner.load` the learner.

        Args:
            path: path of a `.keras` file.

        Raises:
            ValueError: `path` does not end in .keras.
        """
        path = expand(path)
        if path.suffix != ".keras":
            raise ValueError(f"The file of a learner must end in .keras. Received: path={str(path)!r}")
        state = {**self._settings, "samples": self._samples, "generator": self._generator.bit_generator.state}
        arrays: dict[str, Any] = {"known": self._known, "frequencies": self._frequencies}
        arrays["state"] = np.array(json.dumps(state))
        if self._replay is not None:
            arrays |= {f"replay_{name}": values for name, values in self._replay.arrays.items()}
        content = io.BytesIO()
        np.savez(content, **arrays)
        with atomic_write(path) as written:
            self.model.save(written)
            with zipfile.ZipFile(written, "a") as archive:
                archive.writestr(_MEMBER, content.getvalue())

    @classmethod
    def load(cls, path: Path, custom_objects: dict[str, Any] | None = None) -> "OnlineLearner":
        """Return the learner of a file that `save` has written; it continues where that one was.

        Args:
            path: path of a `.keras` file.
            custom_objects: see `keras.saving.load_model`.

        Raises:
            ValueError: there is no such file, or it is damaged, or holds no learner.
        """
        arrays = _read(expand(path))
        state = json.loads(str(arrays["state"]))
        model = keras.saving.load_model(expand(path), custom_objects)
        learner = cls(model, state["replay"], rehearsed=state["rehearsed"], memory=state["memory"])
        learner._known, learner._frequencies = arrays["known"], arrays["frequencies"]
        learner._samples, learner._generator.bit_generator.state = state["samples"], state["generator"]
        if learner._replay is not None:
            learner._replay.arrays = {name: arrays[f"replay_{name}"] for name in learner._replay.arrays}
        return learner

    def _samples_of(self, x, y):
        """Return stimuli and labels as arrays, or raise unless the model takes them."""
        x, y = checked_samples(self.model, x, y)
        if y.ndim == 2 and y.shape[1] > 1:
            one_hot = np.isin(y, (0, 1)).all(axis=1) & (y.sum(axis=1) == 1)
            if not one_hot.all():
                row = int(one_hot.argmin())
                raise ValueError(
                    "A learner counts the samples of each class, so that each sample needs exactly one. "
                    f"Received: y[{row}] with {np.count_nonzero(y[row])} values that are not 0, which add up "
                    f"to {y[row].sum():g}. Pass classes (batch,)."
                )
            y = y.argmax(axis=1)
        return x.astype("float32"), y.reshape(-1).astype("int64")

    def _frequencies_with(self, y):
        """Return the frequency of each class among the last samples of the stream, those of `y` included."""
        new = np.bincount(y, minlength=len(self._known)) / len(y)
        pace = min(1, len(y) / min(self._samples + len(y), _WINDOW))
        return self._frequencies + pace * (new - self._frequencies)

    def _with_rehearsed(self, x, y, frequencies):
        """Return stimuli, labels and weights of a step: new samples, and those that are rehearsed with them."""
        if self._replay is None:
            return x, y, np.ones(len(x), "float32")
        self._replay.arrays = self._replay.updated(x, y, self._generator)
        classes = self._replay.classes()
        lacking = np.maximum(1 / len(classes) - frequencies[classes], 0)
        share = max(lacking.sum(), 1 - len(x) / _FEW)
        if share < _LEAST:
            return x, y, np.ones(len(x), "float32")
        lacking += 1e-3  # so that a stream of one class has something to rehearse
        count = self._settings["rehearsed"]
        drawn = self._generator.choice(classes, count, p=lacking / lacking.sum())
        stimuli = self._replay.draw(drawn, self._generator)
        if self.model.stimulus_range is not None:
            stimuli = np.clip(stimuli, *self.model.stimulus_range)
        weights = np.repeat([(1 - share) / len(x), share / count], [len(x), count])
        rows, labels = np.concatenate([x, stimuli]), np.concatenate([y, drawn])
        return rows, labels, (weights * len(rows)).astype("float32")


def _checked_model(model: Model, optimizer: Any) -> Model:
    """Return a compiled model, or raise unless it is one that a learner can train."""
    if not isinstance(model, SpikingModel) or model.task != "classification":
        raise ValueError(
            f"`model` must be a keras_bsd.BSDModel with task='classification'. Received: model={model!r}"
        )
    shapes = model.encoder.input_shape[1:], model.encoder.output_shape[1:]
    if None in shapes[0] or len(shapes[1]) != 1:
        raise ValueError(
            "`model` must map stimuli of one shape to one class each. "
            f"Received: stimuli of shape {shapes[0]}, outputs of shape {shapes[1]}"
        )
    if optimizer is not None:
        model.compile(optimizer)
    if not model.compiled:
        raise ValueError(
            "`model` must be compiled. Received: a model that is not, and optimizer=None. Call `compile`, or "
            "pass an optimizer such as keras.optimizers.AdamW(1e-3)."
        )
    return model


def _known_classes(model, known):
    """Return classes as an array, or raise unless they are ints, and the model has an output for each."""
    try:
        classes = np.array([operator.index(label) for label in known], "int64")
    except (TypeError, OverflowError) as error:
        raise ValueError(
            "`known` must be ints, the classes that the model has learned before, such as range(9). "
            f"Received: known={known!r}"
        ) from error
    model._guard.checks.check_known(classes)
    return classes


def _recalls_stimuli(model):
    decoder = getattr(model, "decoder", None)  # which may recall means over time
    return decoder is not None and decoder.output_shape[1:] == model.encoder.input_shape[1:]


def _read(path):
    """Return the arrays that a learner has added to the file of its model."""
    try:
        check_zip(path)
        with zipfile.ZipFile(path) as archive, np.load(io.BytesIO(archive.read(_MEMBER))) as arrays:
            return dict(arrays)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} must be a complete file that `OnlineLearner.save` has written. Received: {error}"
        ) from error
