"""Bad data stopped at the boundary, before any weight changes."""

import itertools

import numpy as np


class BatchGuard:
    """Checks arrays as a whole when they are given to `fit`, and streams batch by batch if asked to.

    Args:
        encoder: the model whose input and output shapes the data must fit.
        classification: whether targets are classes.
        every_batch: check every batch for NaN, infinity and unknown classes.
    """

    def __init__(self, encoder, classification, every_batch):
        self.every_batch = every_batch
        self._input_shape = encoder.input_shape[1:]
        self._outputs = encoder.output_shape[-1]
        self._classification = classification
        self._started = False

    def start(self, x, y):
        """Check what `fit` was given, as far as it lies in memory."""
        self._started = False
        if isinstance(x, np.ndarray):
            if not len(x):
                raise ValueError(f"There is no data to train on. Received: x of shape {x.shape}")
            self._check_shape(x)
        if self._classification and isinstance(y, (np.ndarray, list, tuple)):
            self.check_classes(np.asarray(y))

    def check_classes(self, y):
        """Raise unless all classes of `y`, sparse or one-hot, are known."""
        if y.ndim > 1 and y.shape[-1] not in (1, self._outputs):
            raise ValueError(
                f"Targets must be class numbers (batch,) or of shape (batch, {self._outputs}). "
                f"Received: shape={y.shape}"
            )
        one_hot = y.ndim > 1 and y.shape[-1] == self._outputs
        if not one_hot and y.size and not (y.min() >= 0 and y.max() < self._outputs):
            raise ValueError(
                f"Classes must lie in [0, {self._outputs - 1}]. Received: classes from {y.min()} to {y.max()}"
            )

    def watch(self, train_function):
        """Wrap a Keras train function, whose last argument gives batches."""

        def watched(*arguments):
            *state, batches = arguments
            result = train_function(*state, self._checked(batches) if self.every_batch else batches)
            self._started = True
            return result

        return watched

    def finish(self, epochs):
        """Raise if epochs went by without a batch."""
        if epochs and not self._started:
            raise ValueError("There is no data to train on: the dataset gave no batch.")

    def _checked(self, batches):
        batches = iter(batches)
        first = self._check(next(batches))  # here, so that the end of the data is seen as such
        return itertools.chain([first], map(self._check, batches))

    def _check(self, batch):
        x, y = batch[0], batch[1]
        self._check_shape(x)
        for name, values in (("x", np.asarray(x)), ("y", np.asarray(y))):
            finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
            if not finite.all():
                raise ValueError(
                    f"`{name}` must be finite. Received: NaN or infinity in {np.count_nonzero(~finite)} of "
                    f"the batch's {len(finite)} samples, the first at index {np.argmin(finite)}. "
                    "No weight has been changed by this batch: clean the data and go on."
                )
        if self._classification:
            self.check_classes(np.asarray(y))
        return batch

    def _check_shape(self, x):
        if tuple(x.shape[1:]) != self._input_shape:
            raise ValueError(
                f"Stimuli must have shape (batch, {', '.join(map(str, self._input_shape))}). "
                f"Received: shape={tuple(x.shape)}"
            )
