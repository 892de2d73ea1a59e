"""The Mackey-Glass series."""

import numpy as np

from keras_bsd import _checks
from keras_bsd._types import Array


def mackey_glass(length: int, tau: float = 17.0, washout: int = 1000, step: float = 0.1) -> Array:
    """Return the chaotic Mackey-Glass series, one value per unit of time.

    The series solves the delay differential equation

        dx/dt = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x(t),    x(t) = 1.2 for t <= 0

    by the Runge-Kutta method of fourth order.

    Args:
        length: positive int, number of values.
        tau: positive float, the delay, in units of time.
        washout: int, number of values at the beginning that are discarded.
        step: positive float, step of the integration in units of time; `1 / step` must be a whole number.

    Returns:
        NumPy array `(length,)`, float32.

    Raises:
        ValueError: an argument is out of range.

    Example:

    >>> keras_bsd.datasets.mackey_glass(500).shape
    (500,)

    Source: Mackey and Glass, "Oscillation and Chaos in Physiological Control Systems", Science 1977.
    """
    length = _checks.integer("length", length, low=1)
    washout = _checks.integer("washout", washout)
    unit, lag = round(1 / step), round(_checks.real("tau", tau, low=0.0, low_open=True) / step)
    x = np.full(lag + 1 + (washout + length) * unit, 1.2)

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
    return x[lag + (washout + 1) * unit :: unit].astype("float32")
