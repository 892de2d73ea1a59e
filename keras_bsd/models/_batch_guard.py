"""Bad data stopped at the boundary, before any weight changes."""

import itertools

import keras
import numpy as np

from keras_bsd import _checks

NO_DATA = "There is no data to train on."


class BatchGuard:
    """Checks arrays as a whole when they are given to a model, and streams batch by batch.

    Args:
        encoder: the model whose input and output shapes the data must fit.
        classification: whether targets are classes.
        stimulus_range: `(low, high)` that stimuli lie in, or None.
        every_batch: check all batches, not a stream's first alone.
        backend: has `local_values`, from a batch's tensor to those of its parts, as NumPy arrays, that lie
            here, and `stream_like`, from batches and a stream to a stream of the same kind.
    """

    def __init__(self, encoder, classification, stimulus_range, every_batch, backend):
        self.every_batch = every_batch
        self.stimulus_range = stimulus_range
        self._input_shape = encoder.input_shape[1:]
        self._outputs = encoder.output_shape[-1]
        self._elements = encoder.output_shape[1:-1]  # of a sequence, each with a class of its own
        self._classification = classification
        self._backend = backend
        self._started = self._looked = self._in_memory = False

    def start(self, x, y):
        """Check what `fit` was given, as far as it lies in memory."""
        self._started = self._looked = False
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
        _check_given(y)
        self._check_axes(x)

    def check_arrays(self, x, y=None):
        """Raise unless stimuli and targets, where they are arrays, are such as the model takes."""
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
                f"Targets must be class numbers ({samples}) or of shape ({samples}, {self._outputs}). "
                f"Received: shape={y.shape}"
            )
        if classes != (self._outputs,):
            self.check_known(y)

    def check_known(self, classes):
        """Raise unless these are numbers of classes."""
        if classes.dtype.kind not in "buif" or not np.array_equal(classes, classes.astype("int64")):
            raise ValueError(
                'Classes must be whole numbers; continuous targets take `task="regression"`. '
                f"Received: {classes.dtype} such as {classes.flat[0]}"
            )
        if classes.size and not (classes.min() >= 0 and classes.max() < self._outputs):
            raise ValueError(
                f"Classes must lie in [0, {self._outputs - 1}]. "
                f"Received: classes from {classes.min()} to {classes.max()}"
            )

    def watch(self, train_function, steps, restore):
        """Wrap a Keras train function, whose last argument gives batches.

        Args:
            train_function: as made by a Keras model.
            steps: int, batches that one call takes.
            restore: function of the arguments before the last, called if a batch is refused.
        """

        def watched(*arguments):
            *state, batches = arguments
            if self.every_batch or not (self._started or self._in_memory):
                try:
                    batches = self._checked(batches, steps)
                except ValueError:
                    restore(*state)
                    raise
            result = train_function(*state, batches)
            self._started = True
            return result

        return watched

    def finish(self, epochs):
        """Raise if epochs went by without a batch."""
        if epochs and not self._started:
            raise ValueError(f"{NO_DATA} Received: a dataset without a batch")

    def diagnose(self, x):
        """Raise what is wrong if training came to an error at the first batch, or because there is none."""
        if self._looked or self._in_memory or not hasattr(x, "__iter__"):
            return
        batch = next(iter(x), None)
        if batch is None:
            self.finish(epochs=1)
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        _check_given(y)
        self._check_values([keras.ops.convert_to_numpy(x)], [keras.ops.convert_to_numpy(y)])

    def _checked(self, stream, steps):
        """The batches of one call, all checked before the first is learned from."""
        if isinstance(stream, list):
            return [self._check(batch) for batch in stream]
        first = next(stream)  # here, so that the end of the data is seen as such
        batches = [self._check(batch) for batch in (first, *itertools.islice(stream, steps - 1))]
        return iter(batches) if self.every_batch else self._backend.stream_like(stream, batches)

    def _check(self, batch):
        self._looked = True
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        _check_given(y)
        self._check_values(self._backend.local_values(x), self._backend.local_values(y))
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
        least, most = float(x.min()), float(x.max())
        slack = 1e-3 * (high - low)  # what rounding adds when images are shifted or turned
        if not low - slack <= least <= most <= high + slack:  # nor if NaN is among them
            raise ValueError(
                f"Stimuli must lie in [{low:g}, {high:g}], as keras_bsd.applications.preprocess_input makes "
                "them of whole numbers from 0 to 255; if yours are scaled otherwise on purpose, build the "
                f"model with `stimulus_range=None`. Received: values from {least:g} to {most:g}"
            )

    def _check_axes(self, x):
        if len(x.shape) != len(self._input_shape) + 1:
            expected = ", ".join(map(str, self._input_shape))
            raise ValueError(
                f"Stimuli must have shape (batch, {expected}): batch a dataset of single samples. "
                f"Received: shape={tuple(x.shape)}"
            )

    def _check_shape(self, x):
        if not _checks.shape_matches(x.shape[1:], self._input_shape):
            raise ValueError(
                f"Stimuli must have shape (batch, {', '.join(map(str, self._input_shape))}). "
                f"Received: shape={tuple(x.shape)}"
            )


def _length(x):
    """Samples or batches of `x`, or None where that is not known beforehand."""
    try:
        return len(x)
    except TypeError:
        return None


def _check_given(y):
    if y is None:
        raise ValueError(
            "Training takes stimuli and targets, `fit(x, y)`, or batches of both. Received: y=None"
        )


def _check_finite(name, values):
    if values.dtype.name == "bfloat16":  # of a kind, "V", that NumPy takes for no number
        values = values.astype("float32")
    if values.dtype.kind not in "buif":
        raise ValueError(f"`{name}` must be numbers. Received: dtype={values.dtype}")
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"`{name}` must be finite. Received: NaN or infinity in {np.count_nonzero(~finite)} of "
            f"{len(finite)} samples, the first at index {np.argmin(finite)}. "
            "No weight has been changed by these: clean the data and go on."
        )
