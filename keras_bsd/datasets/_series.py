"""Multivariate series with their standard splits."""

import pathlib
from typing import NamedTuple

import numpy as np

from keras_bsd import _checks
from keras_bsd._optional import require
from keras_bsd.datasets._mackey_glass import mackey_glass

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

    >>> keras_bsd.datasets.load_series("mackey_glass").values.shape
    (6000, 1)
    """
    _checks.one_of("missing", missing, MISSING)
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
    pandas = require("pandas", "Reading tables")

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
