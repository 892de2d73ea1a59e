"""The order of a series's dates."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_bsd._optional import require


def check_order(path: Any, cells: Any) -> None:
    """Raise unless dates follow each other; a column that holds no dates has no order.

    Args:
        path: the file, for errors.
        cells: pandas series of strings, the column of dates.

    Raises:
        ValueError: a date is missing, repeated or before the one in the row above.
    """
    readings = [values for values in _readings(cells) if not values.isna().all()]
    if not readings or any(values.is_monotonic_increasing and values.is_unique for values in readings):
        return
    values = min(readings, key=lambda values: (values.isna().sum(), _steps_back(values).sum()))
    if values.isna().any():
        row = int(values.isna().to_numpy().argmax())
        problem = "no date"
    else:
        row = int(_steps_back(values).argmax()) + 1
        problem = "the same date again" if values.iloc[row] == values.iloc[row - 1] else "a date before it"
    before = f" after {cells.iloc[row - 1]!r}" if row else ""
    raise ValueError(
        f"{path} must have dates in order, each once. Received: in row {row} of the data {problem}, "
        f"{cells.iloc[row]!r}{before}. Sort the rows and remove repeated ones; local times that repeat an hour "
        "in autumn must be converted to UTC; an index that is no time needs another name."
    )


def _steps_back(values):
    values = values.to_numpy()
    return ~(values[1:] > values[:-1])


def _readings(cells) -> Iterator[Any]:
    """Yield the column as numbers and as dates of several forms, missing where a cell is of another form."""
    pandas = require("pandas", "Reading tables")
    yield pandas.to_numeric(cells, errors="coerce").where(lambda values: np.isfinite(values))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forms that pandas guesses
        yield (values := pandas.to_datetime(cells, errors="coerce", utc=True, format="ISO8601"))
        if values.isna().mean() < 0.5:
            return
        for day_first in (False, True):
            yield pandas.to_datetime(cells, errors="coerce", utc=True, dayfirst=day_first)
