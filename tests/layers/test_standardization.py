import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd import StateScope
from keras_bsd.layers import CausalStandardization, Destandardize


def series(elements):
    return np.random.default_rng(0).normal(3, 2, (2, elements, 4)).astype("float32")


def test_a_window_by_its_own_mean_and_deviation():
    x = series(9)
    standardized, deviations = map(ops.convert_to_numpy, CausalStandardization(window=9)(x))
    for n in range(1, 9):
        seen = x[:, : n + 1]
        deviation = np.sqrt(seen.var(axis=1) + 1e-5)
        np.testing.assert_allclose(deviations[:, n], deviation, rtol=1e-4)
        np.testing.assert_allclose(standardized[:, n], (x[:, n] - seen.mean(axis=1)) / deviation, atol=1e-4)
    assert not standardized[:, 0].any()


def test_older_elements_count_less_beyond_the_window():
    """One third of what is new, two of what was: x = 0, 0, 0, 9 by hand."""
    x = np.array([0.0, 0, 0, 9]).reshape(1, 4, 1)
    standardized, deviations = CausalStandardization(window=3)(x)
    mean, variance = 3, 2 / 3 * 81 / 3
    assert float(deviations[0, 3, 0]) == pytest.approx(np.sqrt(variance))
    assert float(standardized[0, 3, 0]) == pytest.approx((9 - mean) / np.sqrt(variance))


def test_carried_and_saved():
    layer, x = CausalStandardization(window=4), series(9)
    whole = [ops.convert_to_numpy(part) for part in layer(x)]
    with StateScope() as first:
        layer(x[:, :5])
    with StateScope(first.states):
        parts = layer(x[:, 5:])
    for part, expected in zip(parts, whole, strict=True):
        np.testing.assert_allclose(part, expected[:, 5:], rtol=1e-6)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.window == 4


def test_from_last_element():
    multiples = np.array([[[1.0], [-2.0]]])
    x, deviations = np.array([[[5.0], [7.0]]]), np.array([[[9.0], [0.5]]])
    np.testing.assert_allclose(Destandardize()([multiples, x, deviations]), [[[7.5], [6.0]]])


def test_bad_arguments():
    with pytest.raises(ValueError, match="`window` must be an integer of at least 1"):
        CausalStandardization(0)
