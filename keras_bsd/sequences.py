"""Series and texts: where they come from, their standard splits, windows of them."""

import math
import pathlib
from typing import NamedTuple

import keras
import numpy as np

from keras_bsd import checks

MISSING = ("error", "fill")
INDEX_COLUMNS = ("", "date", "time", "timestamp", "datetime")
GAPS = ("", "nan", "na", "n/a", "null", "none")  # in lower case
PUBLISHED = {  # files of the standard sets: where their publishers have them, and training and validation
    "etth1": ("ETTh1.csv", "https://github.com/zhouhaoyi/ETDataset", (8640, 2880, 2880)),  # 12, 4, 4 months
    "exchange_rate": (
        "exchange_rate.txt",
        "https://github.com/laiguokun/multivariate-time-series-data",
        (0.6, 0.2, 0.2),
    ),
}


class Series(NamedTuple):
    """A multivariate series, its columns' names, and how many elements train, validate and test."""

    values: np.ndarray  # (elements, variables), float32
    names: list
    split: tuple


def load_series(name, data_dir=None, missing="error"):
    """A series with its standard split.

    Args:
        name: `"mackey_glass"`, computed on the spot; `"etth1"` or `"exchange_rate"`, from their published
            files in `data_dir`; or the path of a file of comma-separated numbers, gzipped or not, one
            element a row, with or without a header. A first column of dates, or without a name, is left out.
        data_dir: folder of the published files.
        missing: what becomes of empty or lacking cells, NaN and infinity: `"error"`, or `"fill"` with the
            value before, or at the beginning the first there is.

    Returns:
        `Series`. ETTh1 is split into 12, 4 and 4 months of 30 days, all others 60 to 20 to 20.

    Raises:
        ValueError: there is no such file, columns are not numeric, or values are missing.

    Example:

    >>> keras_bsd.sequences.load_series("mackey_glass").values.shape
    (6000, 1)
    """
    checks.one_of("missing", missing, MISSING)
    if name == "mackey_glass":
        values, names, split = mackey_glass(6000)[:, None], ["x"], (0.6, 0.2, 0.2)
    elif name in PUBLISHED:
        file, source, split = PUBLISHED[name]
        values, names = _read(_published(file, source, data_dir), missing)
    else:
        (values, names), split = _read(pathlib.Path(name), missing), (0.6, 0.2, 0.2)
    if isinstance(split[0], float):
        training, validation = (int(part * len(values)) for part in split[:2])
        split = training, validation, len(values) - training - validation
    return Series(values, names, split)


def mackey_glass(length, tau=17.0, washout=1000, step=0.1):
    """The chaotic series of a delay differential equation, one value a unit of time, float32 `(length,)`.

        dx/dt = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x(t),    x(t) = 1.2 for t <= 0

    by the Runge-Kutta method of fourth order.

    Args:
        length: positive int, values.
        tau: positive float, the delay, in units of time.
        washout: int, values at the beginning that are left out.
        step: positive float, of the integration, in units of time; `1 / step` a whole number.

    Example:

    >>> keras_bsd.sequences.mackey_glass(500).shape
    (500,)

    Source: Mackey and Glass, "Oscillation and Chaos in Physiological Control Systems", Science 1977.
    """
    length = checks.integer("length", length, low=1)
    washout = checks.integer("washout", washout)
    a_unit, lag = round(1 / step), round(checks.real("tau", tau, low=0.0, low_open=True) / step)
    x = np.full(lag + 1 + (washout + length) * a_unit, 1.2)

    def change(value, delayed):
        return 0.2 * delayed / (1 + delayed**10) - 0.1 * value

    for t in range(lag, len(x) - 1):
        before, after = x[t - lag], x[t - lag + 1]
        middle = (before + after) / 2
        k1 = change(x[t], before)
        k2 = change(x[t] + step / 2 * k1, middle)
        k3 = change(x[t] + step / 2 * k2, middle)
        k4 = change(x[t] + step * k3, after)
        x[t + 1] = x[t] + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x[lag + (washout + 1) * a_unit :: a_unit].astype("float32")


def standardized_parts(series, window, horizon):
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

    >>> x, y = keras_bsd.sequences.windows(np.arange(10.0)[:, None], window=4, horizon=2)
    >>> x[0, :, 0], y[0, :, 0]
    # [0, 1, 2, 3], [4, 5]
    """
    window = checks.integer("window", window, low=1)
    horizon = checks.integer("horizon", horizon, low=1)
    _check_length(values, window, horizon)
    both = np.lib.stride_tricks.sliding_window_view(values, window + horizon, axis=0)
    both = np.moveaxis(both, -1, 1)
    return both[:, :window], both[:, window:]


def interval_width(errors, coverage=0.9):
    """Half the width of intervals around forecasts that hold the truth as often as is asked for.

    By split conformal prediction: `forecast ± width` holds `coverage` of the values on average, if they are
    exchangeable with those that the errors are of. Windows of one series are so roughly, and less so the
    more the series drifts.

    Args:
        errors: array `(samples, horizon, variables)`, forecasts less what came, of samples that nothing was
            learned from.
        coverage: float in (0, 1).

    Returns:
        Array `(horizon, variables)`, in units of the series.

    Raises:
        ValueError: `coverage` is out of range, or more than so few samples can tell.

    Example:

    >>> keras_bsd.sequences.interval_width(np.array([[[1.0]], [[-3.0]], [[2.0]]]), coverage=0.5)
    array([[2.]])

    Source: Lei et al., "Distribution-Free Predictive Inference for Regression", Journal of the American
    Statistical Association 113(523), 2018.
    """
    coverage = checks.real("coverage", coverage, low=0.0, low_open=True, high=1.0, high_open=True)
    rank = math.ceil(round((len(errors) + 1) * coverage, 6))
    if rank > len(errors):
        needed = math.ceil(round(coverage / (1 - coverage), 6))
        raise ValueError(
            f"Intervals that cover {coverage:g} take the errors of at least {needed} samples. "
            f"Received: {len(errors)} samples. Give more, or ask for less coverage."
        )
    return np.sort(np.abs(errors), axis=0)[rank - 1]


def _check_length(values, window, horizon):
    if len(values) < window + horizon:
        raise ValueError(
            f"A series, and each part of it, needs {window + horizon} elements: one window and what follows "
            f"it. Received: {len(values)} elements, window={window}, horizon={horizon}. Take a shorter window "
            "or horizon, or more data."
        )


def load_text(name, data_dir=None):
    """A text, split in order for training, validation and testing.

    Args:
        name: `"tiny_shakespeare"`, by `tensorflow_datasets` with its own split; or the path of a text
            file in UTF-8, split 90 to 5 to 5.
        data_dir: folder of `tensorflow_datasets` (default: its own, or `TFDS_DATA_DIR`).

    Returns:
        Three strings.

    Raises:
        ValueError: there is no such file, or the data set is not to be had.

    Example:

    >>> training, validation, test = keras_bsd.sequences.load_text("tiny_shakespeare")
    """
    if name == "tiny_shakespeare":
        import tensorflow_datasets as tfds

        from keras_bsd.datasets import refusing

        with refusing(name, data_dir):
            parts = tfds.load(name, split=["train", "validation", "test"], data_dir=data_dir)
        return tuple(next(iter(tfds.as_numpy(part)))["text"].decode() for part in parts)
    path = pathlib.Path(name)
    if not path.exists():
        raise ValueError(f"There is no such file; the name of a set is 'tiny_shakespeare'. Received: {path}")
    text = path.read_text(encoding="utf-8")
    first, second = int(0.9 * len(text)), int(0.95 * len(text))
    return text[:first], text[first:second], text[second:]


def pieces(numbers, length):
    """Pieces of a text, side by side, and what follows each of their characters.

    Args:
        numbers: characters' numbers `(characters,)`; what is left at the end is left out.
        length: positive int, characters of a piece.

    Returns:
        Arrays `(samples, length)`, twice.

    Raises:
        ValueError: the text is shorter than one piece and what follows it.

    Example:

    >>> keras_bsd.sequences.pieces(np.arange(6), length=2)
    # [[0, 1], [2, 3]], [[1, 2], [3, 4]]
    """
    length = checks.integer("length", length, low=1)
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
    and epoch alone. The epoch comes from `fit`, by way of the callback that `follow()` gives.

    Args:
        numbers: characters' numbers `(characters,)`.
        window: positive int, characters.
        batch_size: positive int, windows.
        seed: int.

    Raises:
        ValueError: the text is too short for one batch.

    Example:

    >>> batches = keras_bsd.sequences.TextWindows(model.encode(text), window=32, batch_size=64)
    >>> model.fit(batches, epochs=3, callbacks=[batches.follow()])
    """

    def __init__(self, numbers, window, batch_size, seed=0):
        super().__init__()
        self.numbers, self.batch_size, self.seed = np.asarray(numbers), batch_size, seed
        self.window = checks.integer("window", window, low=1)
        self._count = (len(self.numbers) - 1) // window - 1  # wherever the first begins
        if self._count < batch_size:
            raise ValueError(
                f"The text is too short: a batch takes {(batch_size + 1) * window + 1} characters. "
                f"Received: {len(self.numbers)} characters, window={window}, batch_size={batch_size}"
            )
        self._start(0)

    def follow(self):
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


def _published(file, source, data_dir):
    folder = pathlib.Path(data_dir or ".")
    found = [path for path in (folder / file, folder / f"{file}.gz") if path.exists()]
    if not found:
        raise ValueError(f"There is no {file} or {file}.gz in {folder}. Download it from {source}.")
    return found[0]


def _read(path, missing):
    """Values and names of the columns of a file of comma-separated numbers."""
    if not path.exists():
        known = ", ".join(map(repr, ("mackey_glass", *PUBLISHED)))
        raise ValueError(f"There is no such file; the names of sets are {known}. Received: {path}")
    import pandas

    try:
        cells = pandas.read_csv(path, header=None, dtype=str, skipinitialspace=True, keep_default_na=False)
    except (pandas.errors.EmptyDataError, pandas.errors.ParserError) as error:
        raise ValueError(f"{path} must hold rows of as many cells each. Received: {error}") from error
    values = cells.apply(pandas.to_numeric, errors="coerce")
    text = values.isna() & cells.notna() & ~cells.apply(lambda c: c.str.strip().str.lower()).isin(GAPS)
    first, *others = names = [name.strip() for name in cells.iloc[0]]
    worded = bool(text.iloc[0].any())
    numbered = bool(others) and others == [str(i) for i in range(len(others))]  # pandas's names of columns
    indexed = int(first.lower() in INDEX_COLUMNS and bool(first or worded or numbered))
    if indexed or (worded and values.iloc[0].isna().all()):
        values, text = values[1:], text[1:]
    else:
        names = [f"column {i + 1}" for i in cells]
    names, values, text = names[indexed:], values.iloc[:, indexed:], text.iloc[:, indexed:]
    if not values.size:
        rows, columns = values.shape
        raise ValueError(
            f"{path} must hold rows of numbers. Received: {rows} rows of {columns} columns of them"
        )
    if text.any(axis=None):
        others = ", ".join(repr(name) for name, column in zip(names, text, strict=True) if text[column].any())
        raise ValueError(
            f"{path} must hold numbers, in its first column dates if it has no name or is called one of "
            f"{INDEX_COLUMNS[1:]}. Received: columns that are not numeric: {others}"
        )
    return _without_gaps(values, names, path, missing).to_numpy("float32"), names


def _without_gaps(values, names, path, missing):
    values = values.where(np.isfinite(values))
    gaps = values.isna().to_numpy()
    if gaps.any() and (missing == "error" or gaps.all(axis=0).any()):
        lacking = [name for name, column in zip(names, gaps.T, strict=True) if column.any()]
        raise ValueError(
            f"{path} has {gaps.sum()} gaps, in {', '.join(map(repr, lacking))}, the first in row "
            f'{gaps.any(axis=1).argmax()} of the data. Fill them, or load with `missing="fill"`, which takes '
            "the value before. Received: cells that are empty, NaN or infinite"
        )
    return values.ffill().bfill()
