"""What stimuli, targets and weights a pair takes."""

import math
from typing import NamedTuple

import numpy as np

from keras_bsd import _checks
from keras_bsd._arrays import as_numbers, as_samples, check_finite, check_ids, lie_within

_BATCH_FIRST = "The first axis is the batch: np.swapaxes(x, 0, 1) exchanges it with that of time"


class DataChecks:
    """Checks of stimuli, targets and weights: of arrays as a whole, or of one batch.

    Args:
        encoder: the model whose input and output shapes the data must have.
        classes: int, number of classes, or None if targets are continuous.
        stimulus_range: `(low, high)` in which stimuli must lie, or None.
        exclusive: bool, whether the probabilities of classes add up to 1.
        tokens: bool, whether stimuli are token ids, numbered as the classes are.
        targets_must_differ: bool, whether equal targets of all samples would teach the stages nothing.
        smallest_batch: int, samples that a batch needs for the stages to learn from it.
    """

    def __init__(
        self,
        encoder,
        classes=None,
        exclusive=False,
        stimulus_range=None,
        tokens=False,
        targets_must_differ=False,
        smallest_batch=1,
    ):
        self.stimulus_range = _interval(stimulus_range)
        self._input_shape = encoder.input_shape[1:]
        self._output_shape = encoder.output_shape[1:]
        self._classes = classes
        self._elements = self._output_shape[:-1] if classes else ()  # of a sequence, with a class each
        self._exclusive, self._tokens = exclusive, tokens
        self._targets_must_differ = targets_must_differ
        self._smallest_batch = smallest_batch

    def check_axes(self, x, y):
        """Raise unless there are targets, and stimuli with a batch axis; both may be symbolic."""
        if y is None:
            raise ValueError("A pair learns from stimuli and targets, (x, y). Received: y=None")
        if len(x.shape) != len(self._input_shape) + 1:
            self._refuse_shape(x)

    def check_stimuli(self, x):
        """Raise unless an array `(batch, ...)` has the model's shape and range, and is finite."""
        as_numbers("`x`", x)
        self._check_shape(x)
        least, greatest = check_finite("x", x)
        if self._tokens:
            check_ids("Token ids", x, self._classes)
        self._check_range(least, greatest)

    def check_targets(self, y):
        """Raise unless an array holds targets of the model's shape, and they are finite."""
        if self._classes:
            self.check_classes(y)
            return
        check_finite("y", y)
        is_column = y.ndim == 1 and self._output_shape == (1,)
        if not is_column and not _checks.shape_matches(y.shape[1:], self._output_shape):
            expected = ", ".join(map(str, self._output_shape))
            raise ValueError(f"Targets must have shape (batch, {expected}). Received: shape={y.shape}")

    def check_classes(self, y):
        """Raise unless all classes of `y`, sparse or one-hot, are known."""
        axes = ", ".join(["batch", *("elements" for _ in self._elements)])
        classes = y.shape[len(self._elements) + 1 :]
        one_hot = (self._output_shape[-1],)  # of one output, the probability of the second class
        if y.ndim <= len(self._elements) or classes not in ((), (1,), one_hot):
            raise ValueError(
                f"Targets must be classes ({axes}) or of shape ({axes}, {one_hot[0]}). "
                f"Received: shape={y.shape}"
            )
        if classes == one_hot and self._classes == one_hot[0]:
            _check_probabilities(y, self._exclusive)
        else:
            self.check_known(y)

    def check_known(self, classes):
        """Raise unless these are integers from 0 to the number of classes less 1."""
        if classes.dtype.kind == "f":
            check_finite("y", classes)
        check_ids("Classes", classes, self._classes, 'continuous targets take `task="regression"`')

    def check_weights(self, weights, samples):
        """Raise unless an array has a weight of at least 0 for each sample, or each element of a sequence."""
        least, _ = check_finite("sample_weight", weights)
        if least is not None and least < 0:
            raise ValueError(f"`sample_weight` must be at least 0. Received: a weight of {least:g}")
        elements = samples.shape[: len(self._elements)]
        if weights.shape[1:] not in ([elements] if elements else [(), (1,)]):
            expected = ", ".join(["batch", *map(str, elements)])
            raise ValueError(f"`sample_weight` must have shape ({expected}). Received: shape={weights.shape}")

    def check_class_weight(self, class_weight):
        """Raise unless weights of classes can be weights of samples."""
        if class_weight is None:
            return
        if not self._classes or self._elements:
            raise ValueError(
                "`class_weight` is for one class per sample, and here every element has one or none. Pass "
                f"`sample_weight`{' (batch, elements)' if self._elements else ''}. "
                f"Received: class_weight={class_weight}"
            )
        known = set(range(self._classes)).issuperset(class_weight)
        if not known or not all(0 <= weight < math.inf for weight in class_weight.values()):
            raise ValueError(
                f"`class_weight` must be a dict from classes in [0, {self._classes - 1}] to finite weights "
                f"of at least 0. Received: class_weight={class_weight}"
            )

    def check_lesson(self, samples, y, weights=None, class_weight=None, batch_size=None):
        """Raise if stages would learn nothing: too few samples have a weight, or their targets are equal.

        Args:
            samples: `Samples`.
            y, weights: arrays of targets and weights, or None.
            class_weight: dict from classes to weights, or None.
            batch_size: int, or None for one batch.
        """
        present = np.ones(len(y), bool) if weights is None else weights.reshape(len(y), -1).any(axis=1)
        for label, weight in (class_weight or {}).items():
            if not weight:
                present &= (y.argmax(axis=-1) if y.shape[1:] == (self._classes,) else y.reshape(-1)) != label
        if weights is not None or class_weight:
            y = y[present]
        number = len(y) * math.prod(samples.shape[: len(self._elements)])
        batch = number if batch_size is None else min(number, batch_size)
        if batch < self._smallest_batch:
            raise ValueError(
                f"A training batch must have at least {self._smallest_batch} samples whose weight is not 0, "
                "because the stages compare each with the mean of its batch: from fewer the stages learn "
                f"nothing. Received: {batch}"
            )
        ends_differ = len(y) < 2 or not np.array_equal(y[0], y[-1])  # which spares most arrays the whole look
        if self._targets_must_differ and not ends_differ and np.array_equal(y[1:], y[:-1]):
            raise ValueError(
                "Targets must differ between samples: without a codebook, stages learn from their differences. "
                f"Received: {len(y)} equal targets"
            )

    def _check_shape(self, x):
        if not _checks.shape_matches(x.shape[1:], self._input_shape):
            self._refuse_shape(x)

    def _refuse_shape(self, x):
        expected = ", ".join(["batch", *map(str, self._input_shape)])
        remedy = _reordering(tuple(x.shape), self._input_shape)
        raise ValueError(
            f"Stimuli must have shape ({expected}). Received: shape={tuple(x.shape)}{remedy and '. ' + remedy}"
        )

    def _check_range(self, least, greatest):
        if self.stimulus_range is None or least is None:
            return
        low, high = self.stimulus_range
        if not lie_within(least, greatest, low, high):
            raise ValueError(
                f"Stimuli must lie in [{low:g}, {high:g}], as keras_bsd.applications.preprocess_input scales "
                "integers from 0 to 255; if yours are scaled otherwise on purpose, build the model with "
                f"`stimulus_range=None`. Received: values from {least:g} to {greatest:g}"
            )


def checked_stimuli(model, x):
    """Return stimuli as an array, or raise unless there is one, and all are what a model takes.

    Args:
        model: `keras_bsd.BSDModel`, or a built Keras model with one input.
        x: stimuli `(samples, ...)`.
    """
    guard = getattr(model, "_guard", None)
    checks = DataChecks(model) if guard is None else guard.checks
    x = as_samples("x", x)
    checks.check_stimuli(x)
    if not len(x):
        raise ValueError(f"`x` must hold at least one stimulus. Received: shape={x.shape}")
    return x


def checked_samples(model, x, y):
    """Return stimuli and targets of a pair as arrays, or raise unless `fit` would take them."""
    x, y = checked_stimuli(model, x), as_samples("y", y)
    Samples(len(x), x.shape[1:]).check_number("target", [y])
    model._guard.checks.check_targets(y)
    return x, y


class Samples(NamedTuple):
    """Number of samples, and the shape of one."""

    number: int
    shape: tuple[int, ...]

    def check_number(self, name, arrays):
        """Raise unless arrays together have one entry for each sample."""
        received = sum(map(len, arrays))
        if received != self.number:
            raise ValueError(
                f"Each stimulus needs a {name}. Received: {self.number} stimuli and {received} {name}s"
                f"{'. ' + _BATCH_FIRST if self.shape[:1] == (received,) else ''}"
            )


def _interval(bounds):
    if bounds is None:
        return None
    low, high = bounds
    low = _checks.real("stimulus_range[0]", low)
    return low, _checks.real("stimulus_range[1]", high, low=low, low_open=True)


def _check_probabilities(y, exclusive):
    """Raise unless vectors along the last axis are one-hot or probabilities, which add up to 1 if exclusive."""
    least, greatest = check_finite("y", y)
    if least is None:
        return
    sums = y.sum(axis=-1, dtype="float64") if exclusive else np.ones(1)
    if least < -1e-3 or greatest > 1 + 1e-3 or abs(sums - 1).max() > 1e-2:
        total = f", and a vector that adds up to {sums.flat[abs(sums - 1).argmax()]:g}" if exclusive else ""
        raise ValueError(
            "Targets of classes as vectors must be one-hot, or probabilities"
            f"{' that add up to 1' if exclusive else ' in [0, 1]'}. Received: values from {least:g} to "
            f"{greatest:g}{total}"
        )


def _reordering(shape, expected):
    """Return how an array of `shape` may become one of `(batch, *expected)`, or an empty string."""
    if _checks.shape_matches(shape, expected):
        return "A single sample needs the batch axis, x[None]; batch a dataset of single samples"
    if (*shape[1:], 1) == tuple(expected):
        return "Add the axis of channels: x[..., None]"
    if len(shape) != len(expected) + 1:
        same_size = None not in (*shape[1:], *expected) and math.prod(shape[1:]) == math.prod(expected)
        return f"The number of values is right: x.reshape({(-1, *expected)})" if same_size else ""
    for axis in range(1, len(shape) - 1):
        if _checks.shape_matches((*shape[1:axis], *shape[axis + 1 :], shape[axis]), expected):
            return f"Channels come last: np.moveaxis(x, {axis}, -1)"
    if _checks.shape_matches((shape[0], *shape[2:]), expected):
        return _BATCH_FIRST
    return ""


def check_mask(mask, shape):
    """Return `mask` broadcast to `shape`, or raise."""
    mask = np.asarray(mask)
    try:
        mask = np.broadcast_to(mask, shape)
    except ValueError as error:
        raise ValueError(
            f"`mask` must have the stimuli's shape {shape}, or broadcast to it. Received: shape={mask.shape}"
        ) from error
    if mask.dtype != bool:
        raise ValueError(f"`mask` must have dtype bool. Received: dtype={mask.dtype}")
    hidden = ~mask.reshape(len(mask), -1).any(axis=1)
    if hidden.any():
        raise ValueError(
            f"Every stimulus must have a known value. Received: a mask that is false everywhere in "
            f"{np.count_nonzero(hidden)} of {len(mask)} stimuli. Show a region of each, or call `generate`."
        )
    return mask
