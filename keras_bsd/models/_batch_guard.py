"""When the data of a pair is checked: before it changes a weight, by whatever way it comes in."""

import contextlib
import itertools
import numbers
import types

import keras
import numpy as np

from keras_bsd import _backend
from keras_bsd.models._data_checks import Samples

NO_DATA = "There is no data."
WAYS = {"train": "Training", "test": "Evaluation", "predict": "Prediction"}


class BatchGuard:
    """Checks of arrays, tensors and DataFrames as a whole, and of the first batch of a stream.

    Args:
        checks: `DataChecks`.
        every_batch: check all batches of a training stream, not the first alone.
        local_values: function from a batch's tensor to the NumPy arrays of its parts on this process's devices.
        stream_like: function from a stream and a list of batches to a stream of these of the same kind.
    """

    def __init__(self, checks, every_batch, local_values, stream_like):
        self.checks, self.every_batch = checks, every_batch
        self._local_values, self._stream_like = local_values, stream_like
        self._is_checked = dict.fromkeys(WAYS, False)  # what comes in that way needs no check
        self._has_seen_batch = self._has_trained = False

    def admit(self, way, x, y=None, sample_weight=None, class_weight=None, batch_size=None):
        """Check data in memory as a whole, and return `x`; the first batch of a stream is checked by `wrap`.

        Args:
            way: one of `WAYS`.
            x, y, sample_weight, class_weight: arguments of the Keras method. A generator is replaced.
            batch_size: int, for training in several batches.
        """
        if isinstance(x, list | tuple) and len(x) == 1:  # as Keras takes the inputs of any model
            (x,) = x
        if way == "train":
            self.checks.check_class_weight(class_weight)
            self._has_seen_batch = self._has_trained = False
        self._is_checked[way] = not is_stream(x)
        if not is_stream(x):
            samples, *targets_and_weights = self._check(way, x, y, sample_weight)
            if way == "train":
                self.checks.check_lesson(samples, *targets_and_weights, class_weight, batch_size)
        elif _length(x) == 0:
            raise ValueError(f"{NO_DATA} Received: x of length 0")
        elif isinstance(x, types.GeneratorType):  # Keras takes its first batch before any step, for good
            return self._peek(way, x)
        return x

    def admit_validation(self, data):
        """Check validation data before training, of a stream the first batch; return what to go on with."""
        if not is_stream(data):
            self.admit("test", *keras.utils.unpack_x_y_sample_weight(data))
            return data
        return self._peek("test", data)

    def check_first(self, x):
        """Check stimuli in memory, or the first batch of a stream; return what to go on with."""
        if is_stream(x):
            return self._peek("predict", x)
        self._check("predict", x, None, None)
        return x

    def expect_checked(self, way):
        """Take what comes next as checked."""
        self._is_checked[way] = True

    def wrap(self, way, function, steps, keep, restore):
        """Return a Keras step function that checks the batches in its last argument before it runs.

        Args:
            way: one of `WAYS`.
            function: the train, test or predict function of a Keras model.
            steps: int, batches that one call takes.
            keep: function of the other arguments that returns copies of them which no step uses up.
            restore: function of the other arguments, called if a batch is rejected or the memory exceeded.
        """
        has_run = False

        def guarded(*arguments):
            nonlocal has_run
            *state, batches = arguments
            if not self._is_checked[way]:
                try:
                    batches = self._check_stream(way, batches, steps)
                except ValueError:
                    restore(*state)
                    raise
                self._is_checked[way] = not (self.every_batch and way == "train")
            kept = None if has_run else keep(*state)
            try:
                with explained_memory(way):
                    result = function(*state, batches)
                    if not has_run:
                        _backend.wait_for(result)
            except MemoryError:
                if kept is not None:
                    restore(*kept)
                raise
            has_run = True
            self._has_trained |= way == "train"
            return result

        return guarded

    def finish(self, epochs, optimizer):
        """Raise if epochs have ended without a batch, or without an update of the weights."""
        if epochs and not self._has_trained:
            raise ValueError(f"{NO_DATA} Received: a stream without a batch")
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if epochs and optimizer.gradient_accumulation_steps and not int(optimizer.iterations):
            raise ValueError(
                "The optimizer accumulates gradients over more batches than training had: no weight has "
                "changed. Use fewer accumulation steps, smaller batches or more epochs. "
                f"Received: gradient_accumulation_steps={optimizer.gradient_accumulation_steps}"
            )

    def diagnose(self, x, error):
        """Raise what is wrong with the first batch of a stream, from the error by which Keras rejected it."""
        if self._has_seen_batch or not is_stream(x) or isinstance(x, types.GeneratorType):
            return
        try:
            self._peek("train", x)
        except ValueError as reason:
            raise reason from error

    def _peek(self, way, stream):
        """Check the first batch of a stream, and return a stream of all its batches."""
        batches = iter(stream)
        first = next(batches, None)
        if first is None:
            raise ValueError(f"{NO_DATA} Received: a stream without a batch")
        self._check_batch(way, first)
        return _resumed(first, batches) if batches is stream else stream

    def _check_stream(self, way, stream, steps):
        """Check all batches of one call before the first of them is used, and return a stream of them."""
        if isinstance(stream, list):
            return [self._check_batch(way, batch) for batch in stream]
        first = next(stream)  # raises StopIteration at the end of the data
        batches = [self._check_batch(way, b) for b in (first, *itertools.islice(stream, steps - 1))]
        return iter(batches) if self.every_batch else self._stream_like(stream, batches)

    def _check_batch(self, way, batch):
        data = keras.utils.unpack_x_y_sample_weight(batch)
        trains_first = way == "train" and not self._has_seen_batch  # later, small batches have done no harm
        self._has_seen_batch |= way == "train"
        samples, *targets_and_weights = self._check(way, *data)
        if trains_first:
            self.checks.check_lesson(samples, *targets_and_weights)
        return batch

    def _check(self, way, x, y, sample_weight):
        """Check stimuli, and unless for prediction targets and weights; return `Samples` and arrays of both."""
        stimuli = self._arrays("x", x)
        for part in stimuli:
            self.checks.check_stimuli(part)
        samples = Samples(sum(map(len, stimuli)), stimuli[0].shape[1:])
        if not samples.number:
            raise ValueError(f"{NO_DATA} Received: x of length 0")
        if way == "predict":
            return samples, None, None
        if y is None:
            raise ValueError(
                f"{WAYS[way]} takes stimuli and targets, (x, y), or batches of both. Received: y=None"
            )
        targets = self._arrays("y", y)
        samples.check_number("target", targets)
        for part in targets:
            self.checks.check_targets(part)
        weights = [] if sample_weight is None else self._arrays("sample_weight", sample_weight)
        if weights:
            samples.check_number("weight", weights)
        for part in weights:
            self.checks.check_weights(part, samples)
        return samples, _whole(targets), _whole(weights)

    def _arrays(self, name, data):
        """Return the NumPy arrays of data's parts on this process's devices."""
        if data is None or isinstance(data, dict | list | tuple | str | numbers.Number):
            raise ValueError(
                f"`{name}` must be one array, tensor or DataFrame"
                f"{', or a stream of batches (x, y)' if name == 'x' else ''}. Received: {_describe(data)}"
            )
        if hasattr(data, "to_numpy"):
            data = data.to_numpy()
        arrays = [data] if isinstance(data, np.ndarray) else self._local_values(data)
        for array in arrays:
            if not array.ndim:
                raise ValueError(f"`{name}` must have a batch axis. Received: the scalar {array}")
        return arrays


def is_stream(x):
    """Return whether data comes batch by batch, and not as an array, a tensor or a DataFrame."""
    is_array = hasattr(x, "shape") or hasattr(x, "to_numpy") or isinstance(x, dict | list | tuple | str)
    return not is_array and (hasattr(x, "__iter__") or hasattr(x, "__getitem__"))


@contextlib.contextmanager
def explained_memory(way):
    """Raise a MemoryError with the remedy where the backend can allocate no more memory in one of `WAYS`."""
    try:
        yield
    except MemoryError:  # has been explained
        raise
    except Exception as error:
        if not _backend.is_out_of_memory(error):
            raise
        remedy = "a smaller `batch_size` or fewer `timesteps`"
        if way == "train":
            remedy += ", and for the same updates the optimizer's `gradient_accumulation_steps`"
        raise MemoryError(f"{WAYS[way]} must fit into memory. Received: {error} Use {remedy}.") from error


def _describe(data):
    if isinstance(data, dict):
        return f"a dict of {', '.join(map(repr, data))}"
    return f"a {type(data).__name__} of {len(data)}" if isinstance(data, list | tuple) else repr(data)


def _whole(parts):
    """Return the parts of an array as one, without a copy of a single part, or None if there are none."""
    if len(parts) < 2:
        return parts[0] if parts else None
    return np.concatenate(parts)


def _length(x):
    """Return the number of batches of a stream, or None if it has no length."""
    try:
        return len(x)
    except TypeError:
        return None


def _resumed(first, batches):
    yield first
    yield from batches
