"""Multivariate series with their standard splits."""

import tarfile
import zipfile
import zlib
from typing import Literal, NamedTuple, get_args

import numpy as np

from keras_bsd import _checks
from keras_bsd._files import expand
from keras_bsd._optional import require
from keras_bsd._types import Array, Path
from keras_bsd.datasets._dates import check_order
from keras_bsd.datasets._mackey_glass import mackey_glass

Missing = Literal["error", "fill"]

INDEX_COLUMNS = ("", "date", "time", "timestamp", "datetime")
GAPS = ("", "nan", "na", "n/a", "null", "none")  # in lower case
SPLIT = (0.6, 0.2, 0.2)
PUBLISHED: dict[
    str, tuple[str, str, tuple[float, ...]]
] = {  # file, source, training, validation and test split
    "etth1": ("ETTh1.csv", "https://github.com/zhouhaoyi/ETDataset", (8640, 2880, 2880)),  # 12, 4, 4 months
    "exchange_rate": (
        "exchange_rate.txt",
        "https://github.com/laiguokun/multivariate-time-series-data",
        SPLIT,
    ),
}


class Series(NamedTuple):
    """A multivariate series.

    Attributes:
        values: array `(elements, variables)`, float32.
        names: the variables' names.
        split: the numbers of elements for training, validation and testing, in this order.
    """

    values: Array
    names: list[str]
    split: tuple[int, int, int]


def load_series(name: Path, data_dir: Path | None = None, missing: Missing = "error") -> Series:
    """Return a series with its standard split.

    Args:
        name: `"mackey_glass"`, which is computed; `"etth1"` or `"exchange_rate"`, from their published files in
            `data_dir`; or the path of a file of comma-separated values, optionally gzipped, with one element
            per row and an optional header. A first column of dates, or without a name, must be
            in order and is then ignored.
        data_dir: folder of the published files (default: the current one).
        missing: treatment of empty or absent cells, NaN and infinity: `"error"`, or `"fill"` with the value
            before, at the beginning with the first value.

    Returns:
        `Series`. ETTh1 is split into 12, 4 and 4 months of 30 days, all others 60:20:20.

    Raises:
        ValueError: there is no such file, columns are not numeric, values are missing, or dates are not in
            order.

    Example:

    >>> series = keras_bsd.datasets.load_series("mackey_glass")
    >>> series.values.shape, series.split
    ((6000, 1), (3600, 1200, 1200))
    """
    _checks.one_of("missing", missing, get_args(Missing))
    split: tuple[float, ...] = SPLIT
    if name == "mackey_glass":
        values, names = mackey_glass(6000)[:, None], ["x"]
    elif name in PUBLISHED:
        file, source, split = PUBLISHED[str(name)]
        values, names = _read(_published(file, source, data_dir), missing)
    else:
        values, names = _read(expand(name), missing)
    if isinstance(split[0], float):
        training, validation = (int(fraction * len(values)) for fraction in split[:2])
        split = training, validation, len(values) - training - validation
    training, validation, test = map(int, split)
    return Series(values, names, (training, validation, test))


def _published(file, source, data_dir):
    folder = expand(data_dir or ".")
    for path in (folder / file, folder / f"{file}.gz"):
        if path.exists():
            return path
    raise ValueError(
        f"`data_dir` must have {file} or {file}.gz. Received: {folder}, without them. Download it from {source}"
    )


def _read(path, missing):
    """Return the values and names of a file's columns of numbers."""
    cells = _read_cells(path)
    values = cells.apply(require("pandas", "Reading tables").to_numeric, errors="coerce")
    gaps = cells.isna() | cells.apply(lambda column: column.str.strip().str.lower()).isin(GAPS)
    text = values.isna() & ~gaps
    header, index = _has_header(cells.iloc[0], values.iloc[0], text.iloc[0])
    names = [name.strip() for name in cells.iloc[0]] if header else [f"column {i + 1}" for i in cells]
    if index:
        check_order(path, cells.iloc[header:, 0].str.strip())
    names, values, text = names[index:], values.iloc[header:, index:], text.iloc[header:, index:]
    if not values.size:
        raise ValueError(
            f"{path} must have rows of numbers. Received: {values.shape[0]} rows of {values.shape[1]} columns"
        )
    if text.any(axis=None):
        wrong = [name for name, column in zip(names, text, strict=True) if text[column].any()]
        raise ValueError(
            f"{path} must have columns of numbers; only a first column without a name, or named one of "
            f"{INDEX_COLUMNS[1:]}, is ignored. Received: columns that are not numeric: "
            f"{', '.join(map(repr, wrong))}"
        )
    return _without_gaps(values, names, path, missing).to_numpy("float32"), names


def _read_cells(path):
    """Return the cells of a file as a data frame of strings, NaN where a row is short."""
    if not path.is_file():
        known = ", ".join(map(repr, ("mackey_glass", *PUBLISHED)))
        raise ValueError(f"`name` must be one of {known} or the path of a file that exists. Received: {path}")
    pandas = require("pandas", "Reading tables")
    try:
        return pandas.read_csv(path, header=None, dtype=str, skipinitialspace=True, keep_default_na=False)
    except (ValueError, OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError) as error:
        raise ValueError(f"{path} must have rows of equal numbers of cells. Received: {error}") from error


def _has_header(cells, values, text):
    """Return whether a table's first row is a header, and whether its first column is an index, as 0 or 1."""
    first, *others = (name.strip() for name in cells)
    numbered = bool(others) and others == [str(i) for i in range(len(others))]  # pandas's names of columns
    index = first.lower() in INDEX_COLUMNS and (first != "" or text.any() or numbered)
    return int(index or (text.any() and values.isna().all())), int(index)


def _without_gaps(values, names, path, missing):
    values = values.where(np.isfinite(values))
    gaps = values.isna().to_numpy()
    if gaps.any() and (missing == "error" or gaps.all(axis=0).any()):
        columns = [name for name, column in zip(names, gaps.T, strict=True) if column.any()]
        raise ValueError(
            f"{path} must have a finite number in each cell. Received: {gaps.sum()} gaps, in "
            f"{', '.join(map(repr, columns))}, the first in row {gaps.any(axis=1).argmax()} of the data. Fill "
            'them, or load with `missing="fill"`, which repeats the value before a gap; a column without any '
            "value cannot be filled."
        )
    return values.ffill().bfill()
