"""Conformal prediction intervals."""

import math

import numpy as np

from keras_bsd import _checks


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

    >>> keras_bsd.metrics.interval_width(np.array([[[1.0]], [[-3.0]], [[2.0]]]), coverage=0.5)
    array([[2.]])

    Source: Lei et al., "Distribution-Free Predictive Inference for Regression", Journal of the American
    Statistical Association 113(523), 2018.
    """
    coverage = _checks.real("coverage", coverage, low=0.0, low_open=True, high=1.0, high_open=True)
    rank = math.ceil(round((len(errors) + 1) * coverage, 6))
    if rank > len(errors):
        needed = math.ceil(round(coverage / (1 - coverage), 6))
        raise ValueError(
            f"Intervals that cover {coverage:g} take the errors of at least {needed} samples. "
            f"Received: {len(errors)} samples. Give more, or ask for less coverage."
        )
    return np.sort(np.abs(errors), axis=0)[rank - 1]
