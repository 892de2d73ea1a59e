"""Windows of series, and chunks and windows of texts."""

from collections.abc import Sequence

import numpy as np

from keras_bsd import _checks
from keras_bsd._types import Array
from keras_bsd.datasets._seeded import SeededBatches
from keras_bsd.datasets._series import Series


def standardized_splits(series: Series, window: int, horizon: int) -> list[Array]:
    """Return the training, validation and test splits, each variable standardized by the training split.

    The validation and test splits begin `window` elements early, so that their first forecast is that of their
    first element.

    Args:
        series: `Series`.
        window: positive int, elements that a forecast is computed from.
        horizon: positive int, elements that are forecast.

    Returns:
        List of three arrays `(elements, variables)`, float32.

    Raises:
        ValueError: a split is shorter than `window + horizon` elements.

    Example:

    >>> series = keras_bsd.datasets.load_series("mackey_glass")
    >>> splits = keras_bsd.datasets.standardized_splits(series, window=48, horizon=6)
    >>> [split.shape for split in splits]
    [(3600, 1), (1248, 1), (1248, 1)]
    """
    if not isinstance(series, Series):
        raise ValueError(
            "`series` must be a `Series`, such as load_series returns; of an array `windows` are enough. "
            f"Received: {type(series)}"
        )
    values, lengths = series.values, series.split
    mean, deviation = values[: lengths[0]].mean(axis=0), values[: lengths[0]].std(axis=0)
    values = ((values - mean) / np.where(deviation > 0, deviation, 1)).astype("float32")
    ends = np.cumsum(lengths)
    splits = [values[max(begin - window, 0) : end] for begin, end in zip((0, *ends), ends, strict=False)]
    for split in splits:
        _check_length(split, window, horizon)
    return splits


def windows(values: Array, window: int, horizon: int) -> tuple[Array, Array]:
    """Return all windows of a series and the elements that follow each, as views without copies.

    Args:
        values: array `(elements, variables)`.
        window: positive int, elements of a window.
        horizon: positive int, elements that follow it.

    Returns:
        Arrays `(samples, window, variables)` and `(samples, horizon, variables)`.

    Raises:
        ValueError: the series is shorter than `window + horizon` elements.

    Example:

    >>> x, y = keras_bsd.datasets.windows(np.arange(10)[:, None], window=4, horizon=2)
    >>> x[0, :, 0], y[0, :, 0]
    (array([0, 1, 2, 3]), array([4, 5]))
    """
    window = _checks.integer("window", window, low=1)
    horizon = _checks.integer("horizon", horizon, low=1)
    values = np.asarray(values)
    if values.ndim != 2:
        raise ValueError(
            f"`values` must have shape (elements, variables). Received: shape={values.shape}. A single "
            "variable is values[:, None]."
        )
    _check_length(values, window, horizon)
    both = np.lib.stride_tricks.sliding_window_view(values, window + horizon, axis=0)
    both = np.moveaxis(both, -1, 1)
    return both[:, :window], both[:, window:]


def _check_length(values, window, horizon):
    if len(values) < window + horizon:
        raise ValueError(
            f"A series, and each split of it, needs at least {window + horizon} elements: a window and the "
            f"horizon. Received: {len(values)} elements, window={window}, horizon={horizon}. Choose a shorter "
            "window or horizon, or use more data."
        )


def chunks(ids: Sequence[int] | Array, length: int) -> tuple[Array, Array]:
    """Return a text's consecutive chunks, and for each of their characters the next character.

    Args:
        ids: token ids `(characters,)`; a remainder at the end is ignored.
        length: positive int, characters of a chunk.

    Returns:
        Two arrays `(samples, length)`: the chunks and their targets.

    Raises:
        ValueError: the text is shorter than `length + 1` characters.

    Example:

    >>> x, y = keras_bsd.datasets.chunks(np.arange(6), length=2)
    >>> x.tolist(), y.tolist()
    ([[0, 1], [2, 3]], [[1, 2], [3, 4]])
    """
    length = _checks.integer("length", length, low=1)
    tokens = _token_ids(ids)
    count = (len(tokens) - 1) // length
    if not count:
        raise ValueError(
            f"`ids` must have at least {length + 1} characters: a chunk and the character after it. "
            f"Received: {len(ids)} characters, length={length}"
        )
    x, y = (tokens[begin : begin + count * length].reshape(count, length) for begin in (0, 1))
    return x, y


def _token_ids(ids):
    array = np.asarray(ids)
    received = (
        f"the string {ids[:20]!r}" if isinstance(ids, str) else f"shape={array.shape}, dtype={array.dtype}"
    )
    if array.ndim != 1 or array.dtype.kind not in "ui" or (array.size and array.min() < 0):
        raise ValueError(
            "`ids` must be token ids (characters,), integers from 0, such as the `encode` of a CharacterModel "
            f"returns. Received: {received}"
        )
    return array


class TextWindows(SeededBatches):
    """Batches of a text's windows, with the next character of each character as target.

    The windows of an epoch are consecutive; the position of the first, and their order, follow from seed and
    epoch alone. `fit` passes the epoch by the callback that `epoch_callback()` returns.

    Args:
        ids: token ids `(characters,)`.
        window: positive int, characters of a window.
        batch_size: positive int, windows of a batch.
        seed: int.

    Raises:
        ValueError: the text is too short for one batch.

    Example:

    >>> model = keras_bsd.applications.SpikingCharRNN("abc ", units=(8,))
    >>> batches = keras_bsd.datasets.TextWindows(model.encode("abc cab " * 6), window=8, batch_size=4)
    >>> x, y = batches[0]
    >>> x.shape, y.shape
    ((4, 8), (4, 8))
    >>> model.compile(run_eagerly=True)  # starts at once
    >>> history = model.fit(batches, callbacks=[batches.epoch_callback()], verbose=0)
    """

    def __init__(self, ids: Sequence[int] | Array, window: int, batch_size: int, seed: int = 0) -> None:
        super().__init__(seed)
        self.ids, self.batch_size = _token_ids(ids), _checks.integer("batch_size", batch_size, low=1)
        self.window = _checks.integer("window", window, low=1)
        self._count = (len(self.ids) - 1) // window - 1  # whatever the position of the first
        if self._count < batch_size:
            raise ValueError(
                f"`ids` must have at least {(batch_size + 1) * window + 1} characters for one batch. "
                f"Received: {len(self.ids)} characters, window={window}, batch_size={batch_size}"
            )
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        generator = np.random.default_rng([self.seed, epoch])
        self._begins = generator.integers(self.window) + self.window * generator.permutation(self._count)

    def __len__(self) -> int:
        return self._count // self.batch_size

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        begins = self._begins[index * self.batch_size : (index + 1) * self.batch_size]
        characters = self.ids[begins[:, None] + np.arange(self.window + 1)]
        return characters[:, :-1], characters[:, 1:]
