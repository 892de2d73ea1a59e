import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bsd import metrics


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 100), coverage=st.sampled_from([0.5, 0.8, 0.95]))
def test_intervals_have_their_coverage(seed, coverage):
    errors = np.random.default_rng(seed).standard_t(3, (4000, 2, 3))
    width = metrics.interval_width(errors[:2000], coverage)
    assert width.shape == (2, 3)
    covered = (np.abs(errors[2000:]) <= width).mean(axis=0)
    np.testing.assert_allclose(covered, coverage, atol=0.06)


def test_width_by_hand():
    errors = np.array([0.4, -0.1, 0.3, -0.2])[:, None, None]
    for coverage, width in ((0.2, 0.1), (0.4, 0.2), (0.5, 0.3), (0.8, 0.4)):
        assert metrics.interval_width(errors, coverage).item() == width


def test_too_few_samples():
    message = "Intervals that cover 0.9 need the errors of at least 9 samples. Received: 8 samples."
    with pytest.raises(ValueError, match=message):
        metrics.interval_width(np.zeros((8, 1, 1)))
    assert metrics.interval_width(np.zeros((9, 1, 1))) == 0


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.5])
def test_coverage_out_of_range(coverage):
    with pytest.raises(ValueError, match=rf"`coverage` must be .* in \(0.0, 1.0\).*coverage={coverage}"):
        metrics.interval_width(np.zeros((8, 1, 1)), coverage)
