"""Windows of series, and chunks of texts."""

import keras
import numpy as np

from keras_bsd import _checks


def standardized_splits(series, window, horizon):
    """Training, validation and test part, each variable standardised by the training part.

    The latter two begin `window` elements early, so that their first forecast is of their first element.

    Args:
        series: `Series`.
        window, horizon: positive ints, elements that forecasts are made from, and that are forecast.

    Returns:
        List of three arrays `(elements, variables)`, float32.

    Raises:
        ValueError: a part has not even one window with the elements to forecast.
    """
    values, (training, validation, test) = series.values, series.split
    mean, deviation = values[:training].mean(axis=0), values[:training].std(axis=0)
    values = ((values - mean) / np.where(deviation > 0, deviation, 1)).astype("float32")
    ends = np.cumsum((training, validation, test))
    parts = [values[max(begin - window, 0) : end] for begin, end in zip((0, *ends), ends, strict=False)]
    for part in parts:
        _check_length(part, window, horizon)
    return parts


def windows(values, window, horizon):
    """All windows of a series, and what follows each: views, which take no memory.

    Args:
        values: array `(elements, variables)`.
        window, horizon: positive ints.

    Returns:
        Arrays `(samples, window, variables)` and `(samples, horizon, variables)`.

    Raises:
        ValueError: the series is shorter than one window and what follows it.

    Example:

    >>> x, y = keras_bsd.datasets.windows(np.arange(10.0)[:, None], window=4, horizon=2)
    >>> x[0, :, 0], y[0, :, 0]
    # [0, 1, 2, 3], [4, 5]
    """
    window = _checks.integer("window", window, low=1)
    horizon = _checks.integer("horizon", horizon, low=1)
    _check_length(values, window, horizon)
    both = np.lib.stride_tricks.sliding_window_view(values, window + horizon, axis=0)
    both = np.moveaxis(both, -1, 1)
    return both[:, :window], both[:, window:]


def _check_length(values, window, horizon):
    if len(values) < window + horizon:
        raise ValueError(
            f"A series, and each part of it, needs {window + horizon} elements: one window and what follows "
            f"it. Received: {len(values)} elements, window={window}, horizon={horizon}. Take a shorter window "
            "or horizon, or more data."
        )


def chunks(numbers, length):
    """Pieces of a text, side by side, and what follows each of their characters.

    Args:
        numbers: characters' numbers `(characters,)`; what is left at the end is left out.
        length: positive int, characters of a piece.

    Returns:
        Arrays `(samples, length)`, twice.

    Raises:
        ValueError: the text is shorter than one piece and what follows it.

    Example:

    >>> keras_bsd.datasets.chunks(np.arange(6), length=2)
    # [[0, 1], [2, 3]], [[1, 2], [3, 4]]
    """
    length = _checks.integer("length", length, low=1)
    count = (len(numbers) - 1) // length
    if not count:
        raise ValueError(
            f"The text is too short: a piece and what follows it take {length + 1} characters. "
            f"Received: {len(numbers)} characters, length={length}"
        )
    numbers = np.asarray(numbers)
    return tuple(numbers[begin : begin + count * length].reshape(count, length) for begin in (0, 1))


class TextWindows(keras.utils.PyDataset):
    """Windows of a text, each with what follows every one of its characters, in batches.

    The windows of an epoch lie side by side; where the first begins, and their order, follow from seed
    and epoch alone. The epoch comes from `fit`, by way of the callback that `epoch_callback()` gives.

    Args:
        numbers: characters' numbers `(characters,)`.
        window: positive int, characters.
        batch_size: positive int, windows.
        seed: int.

    Raises:
        ValueError: the text is too short for one batch.

    Example:

    >>> batches = keras_bsd.datasets.TextWindows(model.encode(text), window=32, batch_size=64)
    >>> model.fit(batches, epochs=3, callbacks=[batches.epoch_callback()])
    """

    def __init__(self, numbers, window, batch_size, seed=0):
        super().__init__()
        self.numbers, self.batch_size, self.seed = np.asarray(numbers), batch_size, seed
        self.window = _checks.integer("window", window, low=1)
        self._count = (len(self.numbers) - 1) // window - 1  # wherever the first begins
        if self._count < batch_size:
            raise ValueError(
                f"The text is too short: a batch takes {(batch_size + 1) * window + 1} characters. "
                f"Received: {len(self.numbers)} characters, window={window}, batch_size={batch_size}"
            )
        self._start(0)

    def epoch_callback(self):
        """A callback that starts each epoch's order."""
        return keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs=None: self._start(epoch))

    def _start(self, epoch):
        generator = np.random.default_rng([self.seed, epoch])
        self._begins = generator.integers(self.window) + self.window * generator.permutation(self._count)

    def __len__(self):
        return self._count // self.batch_size

    def __getitem__(self, index):
        begins = self._begins[index * self.batch_size : (index + 1) * self.batch_size]
        characters = self.numbers[begins[:, None] + np.arange(self.window + 1)]
        return characters[:, :-1], characters[:, 1:]
