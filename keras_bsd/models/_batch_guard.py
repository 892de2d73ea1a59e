"""Checks of data before it changes a weight."""

import itertools

import keras
import numpy as np

from keras_bsd import _checks

NO_DATA = "There is no data to train on."


class BatchGuard:
    """Checks of arrays as a whole before training, and of streams batch by batch.

    Args:
        encoder: the model whose input and output shapes the data must have.
        classification: whether targets are classes.
        stimulus_range: `(low, high)` in which stimuli must lie, or None.
        every_batch: check all batches, not a stream's first alone.
        local_values: function from a batch's tensor to the NumPy arrays of its parts on this process's devices.
        stream_like: function from a stream and a list of batches to a stream of these of the same kind.
    """

    def __init__(self, encoder, classification, stimulus_range, every_batch, local_values, stream_like):
        self.every_batch = every_batch
        self.stimulus_range = _interval(stimulus_range)
        self._input_shape = encoder.input_shape[1:]
        self._outputs = encoder.output_shape[-1]
        self._elements = encoder.output_shape[1:-1]  # of a sequence, whose elements have a class each
        self._classification = classification
        self._local_values = local_values
        self._stream_like = stream_like
        self._has_trained = self._has_checked = self._in_memory = False

    def start(self, x, y):
        """Check the arguments of `fit` that are arrays."""
        self._has_trained = self._has_checked = False
        self._in_memory = isinstance(x, np.ndarray)
        if _length(x) == 0:
            raise ValueError(f"{NO_DATA} Received: x of length 0")
        self.check_arrays(x, y)
        if self._in_memory:
            self.check_batch(x, y)
            _check_finite("x", x)
            _check_finite("y", np.asarray(y))

    def check_batch(self, x, y):
        """Raise unless there are stimuli with a batch axis, and targets."""
        _check_targets_exist(y)
        self._check_axes(x)

    def check_arrays(self, x, y=None):
        """Raise unless stimuli and targets, if they are arrays, have the model's shapes and ranges."""
        if isinstance(x, np.ndarray):
            self._check_shape(x)
            self._check_range(x)
        if self._classification and isinstance(y, (np.ndarray, list, tuple)):
            self.check_classes(np.asarray(y))

    def check_classes(self, y):
        """Raise unless all classes of `y`, sparse or one-hot, are known."""
        samples = ", ".join(["batch", *("elements" for _ in self._elements)])
        classes = y.shape[len(self._elements) + 1 :]
        if y.ndim <= len(self._elements) or classes not in ((), (1,), (self._outputs,)):
            raise ValueError(
                f"Targets must be classes ({samples}) or of shape ({samples}, {self._outputs}). "
                f"Received: shape={y.shape}"
            )
        if classes != (self._outputs,):
            self.check_known(y)

    def check_known(self, classes):
        """Raise unless these are integers from 0 to the number of classes less 1."""
        if classes.dtype.kind not in "buif" or not np.array_equal(classes, classes.astype("int64")):
            raise ValueError(
                'Classes must be integers; continuous targets take `task="regression"`. '
                f"Received: {classes.dtype} such as {classes.flat[0]}"
            )
        if classes.size and not (classes.min() >= 0 and classes.max() < self._outputs):
            raise ValueError(
                f"Classes must lie in [0, {self._outputs - 1}]. "
                f"Received: classes from {classes.min()} to {classes.max()}"
            )

    def wrap(self, train_function, steps, restore):
        """Return a Keras train function that checks the batches in its last argument before it trains.

        Args:
            train_function: the train function of a Keras model.
            steps: int, batches that one call takes.
            restore: function of the other arguments, called if a batch is rejected.
        """

        def guarded(*arguments):
            *state, batches = arguments
            if self.every_batch or not (self._has_trained or self._in_memory):
                try:
                    batches = self._check_stream(batches, steps)
                except ValueError:
                    restore(*state)
                    raise
            result = train_function(*state, batches)
            self._has_trained = True
            return result

        return guarded

    def finish(self, epochs, optimizer):
        """Raise if epochs have ended without a batch, or without an update of the weights."""
        if epochs and not self._has_trained:
            raise ValueError(f"{NO_DATA} Received: a dataset without a batch")
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if epochs and optimizer.gradient_accumulation_steps and not int(optimizer.iterations):
            raise ValueError(
                "The optimizer accumulates gradients over more batches than training had: no weight has "
                "changed. Use fewer accumulation steps, smaller batches or more epochs. "
                f"Received: gradient_accumulation_steps={optimizer.gradient_accumulation_steps}"
            )

    def diagnose(self, x):
        """Raise the reason if training ended in an error at the first batch, or because there is none."""
        if self._has_checked or self._in_memory or not hasattr(x, "__iter__"):
            return
        batch = next(iter(x), None)
        if batch is None:
            raise ValueError(f"{NO_DATA} Received: a dataset without a batch")
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        _check_targets_exist(y)
        self._check_values([keras.ops.convert_to_numpy(x)], [keras.ops.convert_to_numpy(y)])

    def _check_stream(self, stream, steps):
        """Check all batches of one call, before the first of them trains, and return a stream of them."""
        if isinstance(stream, list):
            return [self._check(batch) for batch in stream]
        first = next(stream)  # raises StopIteration at the end of the data
        batches = [self._check(batch) for batch in (first, *itertools.islice(stream, steps - 1))]
        return iter(batches) if self.every_batch else self._stream_like(stream, batches)

    def _check(self, batch):
        self._has_checked = True
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        _check_targets_exist(y)
        self._check_values(self._local_values(x), self._local_values(y))
        return batch

    def _check_values(self, stimuli, targets):
        for x in stimuli:
            self._check_axes(x)
            self._check_shape(x)
            _check_finite("x", x)
            self._check_range(x)
        for y in targets:
            _check_finite("y", y)
            if self._classification:
                self.check_classes(y)

    def _check_range(self, x):
        if self.stimulus_range is None or not x.size:
            return
        low, high = self.stimulus_range
        least, greatest = float(x.min()), float(x.max())
        slack = 1e-3 * (high - low)  # rounding, when images are shifted or rotated
        if not low - slack <= least <= greatest <= high + slack:  # false also for NaN
            raise ValueError(
                f"Stimuli must lie in [{low:g}, {high:g}], as keras_bsd.applications.preprocess_input scales "
                "integers from 0 to 255; if yours are scaled otherwise on purpose, build the model with "
                f"`stimulus_range=None`. Received: values from {least:g} to {greatest:g}"
            )

    def _check_axes(self, x):
        if len(x.shape) != len(self._input_shape) + 1:
            raise ValueError(
                f"Stimuli must have shape {self._expected_shape()}: batch a dataset of single samples. "
                f"Received: shape={tuple(x.shape)}"
            )

    def _check_shape(self, x):
        if not _checks.shape_matches(x.shape[1:], self._input_shape):
            raise ValueError(
                f"Stimuli must have shape {self._expected_shape()}. Received: shape={tuple(x.shape)}"
            )

    def _expected_shape(self):
        return f"(batch, {', '.join(map(str, self._input_shape))})"


def _interval(bounds):
    if bounds is None:
        return None
    low, high = bounds
    low = _checks.real("stimulus_range[0]", low)
    return low, _checks.real("stimulus_range[1]", high, low=low, low_open=True)


def _length(x):
    """Return the number of samples or batches in `x`, or None if it has no length."""
    try:
        return len(x)
    except TypeError:
        return None


def _check_targets_exist(y):
    if y is None:
        raise ValueError(
            "Training takes stimuli and targets, `fit(x, y)`, or batches of both. Received: y=None"
        )


def _check_finite(name, values):
    if values.dtype.name == "bfloat16":  # not a number to NumPy: its kind is "V"
        values = values.astype("float32")
    if values.dtype.kind not in "buif":
        raise ValueError(f"`{name}` must be numbers. Received: dtype={values.dtype}")
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"`{name}` must be finite. Received: NaN or infinity in {np.count_nonzero(~finite)} of "
            f"{len(finite)} samples, the first at index {np.argmin(finite)}. "
            "These samples have not changed any weight: remove or replace them, and resume."
        )


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
