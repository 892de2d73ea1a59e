"""Conformal prediction intervals."""

import math

import numpy as np

from keras_bsd import _checks
from keras_bsd._types import Array


def interval_width(errors: Array, coverage: float = 0.9) -> Array:
    """Return half the width of forecast intervals with a given coverage.

    By split conformal prediction, `forecast ± width` contains a fraction `coverage` of the values on average,
    if these are exchangeable with those of the errors. Windows of one series are so approximately, and less so
    the more the series drifts.

    Args:
        errors: array `(samples, horizon, variables)`, forecasts less values, of samples outside the training
            data.
        coverage: float in (0, 1).

    Returns:
        Array `(horizon, variables)`, in units of the series.

    Raises:
        ValueError: `coverage` is out of range, or too high for so few samples.

    Example:

    >>> keras_bsd.metrics.interval_width(np.array([[[1.0]], [[-3.0]], [[2.0]]]), coverage=0.5)
    array([[2.]])

    Source: Lei et al., "Distribution-Free Predictive Inference for Regression", Journal of the American
    Statistical Association 113(523), 2018.
    """
    coverage = _checks.real("coverage", coverage, low=0.0, low_open=True, high=1.0, high_open=True)
    rank = math.ceil(round((len(errors) + 1) * coverage, 6))
    if rank > len(errors):
        fewest = math.ceil(round(coverage / (1 - coverage), 6))
        raise ValueError(
            f"Intervals that cover {coverage:g} need the errors of at least {fewest} samples. "
            f"Received: {len(errors)} samples. Pass more errors, or lower `coverage`."
        )
    return np.sort(np.abs(errors), axis=0)[rank - 1]
