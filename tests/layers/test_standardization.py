import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd import StateScope
from keras_bsd.layers import CausalStandardization, Destandardize


def series(elements):
    return np.random.default_rng(0).normal(3, 2, (2, elements, 4)).astype("float32")


def test_a_window_is_standardized_by_its_own_statistics():
    x = series(9)
    standardized, deviations = map(ops.convert_to_numpy, CausalStandardization(window=9)(x))
    for n in range(1, 9):
        seen = x[:, : n + 1]
        deviation = np.sqrt(seen.var(axis=1) + 1e-5)
        np.testing.assert_allclose(deviations[:, n], deviation, rtol=1e-4)
        np.testing.assert_allclose(standardized[:, n], (x[:, n] - seen.mean(axis=1)) / deviation, atol=1e-4)
    assert not standardized[:, 0].any()


def test_moving_averages_beyond_the_window():
    """The new element weighs one third, earlier statistics two thirds: x = 0, 0, 0, 9 by hand."""
    x = np.array([0.0, 0, 0, 9]).reshape(1, 4, 1)
    standardized, deviations = CausalStandardization(window=3)(x)
    mean, variance = 3, 2 / 3 * 81 / 3
    assert float(deviations[0, 3, 0]) == pytest.approx(np.sqrt(variance))
    assert float(standardized[0, 3, 0]) == pytest.approx((9 - mean) / np.sqrt(variance))


def test_state_is_carried_and_config_saved():
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


def test_destandardize():
    multiples = np.array([[[1.0], [-2.0]]])
    x, deviations = np.array([[[5.0], [7.0]]]), np.array([[[9.0], [0.5]]])
    np.testing.assert_allclose(Destandardize()([multiples, x, deviations]), [[[7.5], [6.0]]])


def test_files_of_version_0_1_hold_destandardize_by_its_former_name():
    assert keras.saving.get_registered_name(Destandardize) == "keras_bsd>FromLastElement"
    saved = {
        "module": "keras_bsd.layers.standardization",
        "class_name": "FromLastElement",
        "config": {"name": "forecast", "trainable": True, "dtype": "float32"},
        "registered_name": "keras_bsd>FromLastElement",
    }
    assert type(keras.saving.deserialize_keras_object(saved)) is Destandardize


def test_bad_arguments():
    with pytest.raises(ValueError, match="`window` must be an integer of at least 1"):
        CausalStandardization(0)
