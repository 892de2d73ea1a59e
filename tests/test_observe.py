import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd._observe import observe, run_with_spikes
from keras_bsd.layers import Readout, SpikingDense


def model_and_inputs():
    layers = [
        SpikingDense(6, timesteps=3, name="first"),
        SpikingDense(5, name="second"),
        Readout(keras.layers.Dense(2)),
    ]
    model = keras.Sequential([keras.Input((4,)), *layers])
    return model, np.random.default_rng(0).uniform(0, 2, (3, 4)).astype("float32")


def test_observers_receive_calls_and_may_replace_outputs():
    model, x = model_and_inputs()
    calls = []

    def silence(layer, arguments, outputs):
        calls.append((layer.name, tuple(arguments[0].shape), tuple(outputs.shape)))
        return ops.zeros_like(outputs)

    with observe(model.layers[:1], silence):
        silent = ops.convert_to_numpy(model(x))
    assert calls == [("first", (3, 4), (3, 3, 6))]
    np.testing.assert_allclose(silent, np.broadcast_to(silent[:1], silent.shape))
    assert np.ptp(ops.convert_to_numpy(model(x)), axis=0).any()


def test_an_exception_restores_the_layers():
    model, x = model_and_inputs()
    calls = [layer.call for layer in model.layers]

    def fail(layer, arguments, outputs):
        raise RuntimeError("in the observer")

    with pytest.raises(RuntimeError, match="in the observer"), observe(model.layers, fail):
        model(x)
    assert not any("call" in layer.__dict__ for layer in model.layers)
    assert [layer.call for layer in model.layers] == calls
    model(x)


def test_blocks_are_nested():
    model, x = model_and_inputs()
    order = []

    def record(name):
        def observer(layer, arguments, outputs):
            order.append(name)
            return outputs

        return observer

    with observe(model.layers[:1], record("outer")):
        with observe(model.layers[:1] * 2, record("inner")):  # a layer named twice is observed once
            model(x)
        model(x)
    assert order == ["outer", "inner", "outer"]


def test_run_with_spikes_equals_the_model():
    model, x = model_and_inputs()
    outputs, spikes = run_with_spikes(model, ops.convert_to_tensor(x))
    np.testing.assert_allclose(ops.convert_to_numpy(outputs), ops.convert_to_numpy(model(x)), rtol=1e-6)
    assert list(spikes) == ["first", "second"]
    first = ops.convert_to_numpy(model.layers[0](x))
    np.testing.assert_array_equal(ops.convert_to_numpy(spikes["first"]), first)
