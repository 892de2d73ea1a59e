import numpy as np

from keras_bsd import datasets


def test_mackey_glass():
    """Against half the step, and against the analytic solution over the first delay."""
    x, finer = (datasets.mackey_glass(60, washout=0, step=step) for step in (0.1, 0.05))
    assert x.shape == (60,)
    np.testing.assert_allclose(x, finer, atol=1e-4)
    later = datasets.mackey_glass(400)
    assert 0.2 < later.min() < 0.6
    assert 1.1 < later.max() < 1.5
    np.testing.assert_array_equal(
        datasets.mackey_glass(50, washout=10), datasets.mackey_glass(60, washout=0)[10:]
    )
    # Up to the delay, x' = c - 0.1 x has the solution below.
    first = 0.2 * 1.2 / (1 + 1.2**10)
    t = np.arange(1, 18)
    expected = first / 0.1 + (1.2 - first / 0.1) * np.exp(-0.1 * t)
    np.testing.assert_allclose(datasets.mackey_glass(17, washout=0), expected, rtol=1e-6)
