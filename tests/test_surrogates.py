import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd import surrogates
from tests.gradients import gradients

X = np.array([-2.0, -0.3, -0.01, 0.0, 0.04, 0.5, 3.0])
DERIVATIVES = {
    "atan": 1 / (1 + (np.pi * X) ** 2),
    "sigmoid": 4 * np.exp(-4 * X) / (1 + np.exp(-4 * X)) ** 2,
    "fast_sigmoid": 1 / (1 + 10 * np.abs(X)) ** 2,
    "triangular": np.maximum(0, 1 - np.abs(X)),
    "rectangular": (np.abs(X) < 0.5).astype(float),
    "straight_through": np.ones_like(X),
}


@keras.saving.register_keras_serializable("keras_bsd_tests")
def gaussian(distance):
    return ops.exp(-ops.square(distance))


@pytest.mark.parametrize("name", DERIVATIVES)
def test_step_forward_and_documented_derivative_backward(name):
    x = ops.convert_to_tensor(X)
    spike = surrogates.get(name)
    np.testing.assert_array_equal(ops.convert_to_numpy(spike(x)), X >= 0)
    (gradient,) = gradients(lambda x: ops.sum(3.0 * spike(x)), [x])
    np.testing.assert_allclose(gradient, 3 * DERIVATIVES[name], rtol=1e-10)


@pytest.mark.parametrize("name", ["atan", "sigmoid", "triangular", "rectangular"])
@pytest.mark.parametrize("slope", [0.5, 4.0])
def test_a_bump_of_area_one(name, slope):
    grid = np.linspace(-400, 400, 800_001)
    surrogate = type(surrogates.get(name))(slope)
    area = np.trapezoid(ops.convert_to_numpy(surrogate.derivative(ops.convert_to_tensor(grid))), grid)
    assert area == pytest.approx(1, abs=0.01)


def test_function_of_the_user():
    x = ops.convert_to_tensor(X)
    (gradient,) = gradients(lambda x: ops.sum(surrogates.get(gaussian)(x)), [x])
    np.testing.assert_allclose(gradient, np.exp(-(X**2)))


@pytest.mark.parametrize("surrogate", [*DERIVATIVES, surrogates.Atan(5.0), gaussian])
def test_config_round_trip(surrogate):
    before = surrogates.get(surrogate)
    after = surrogates.get(surrogates.serialize(before))
    assert type(after) is type(before)
    assert after.get_config() == before.get_config()


def test_bad_slope():
    with pytest.raises(ValueError, match="Received: slope=0"):
        surrogates.Atan(0)


@pytest.mark.parametrize("identifier", [surrogates.FastSigmoid, "FastSigmoid", "fast_sigmoid"])
def test_a_class_or_its_name(identifier):
    surrogate = surrogates.get(identifier)
    assert type(surrogate) is surrogates.FastSigmoid
    assert surrogate.slope == 10.0


@pytest.mark.parametrize("identifier", [surrogates.Surrogate, surrogates.CustomSurrogate, dict])
def test_a_class_without_defaults(identifier):
    with pytest.raises(ValueError, match=r"`surrogate` must be one of .*Pass an instance of this class"):
        surrogates.get(identifier)


def test_no_surrogate():
    with pytest.raises(ValueError, match=r"a function of membrane - threshold. Received: surrogate=3"):
        surrogates.get(3)
