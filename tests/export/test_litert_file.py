"""LiteRT files in every precision, run by TensorFlow's interpreter."""

import keras
import numpy as np
import pytest

import keras_bsd
from keras_bsd.export import export_litert
from keras_bsd.layers import Readout, SpikingConv2D, SpikingDense, SpikingStage

L = keras.layers
on_tensorflow = pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="written on TensorFlow")
pytestmark = pytest.mark.filterwarnings("ignore")  # converters warn of their own dependencies
STIMULI = np.random.default_rng(0).random((24, 8, 8, 2), "float32")


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    stages = [SpikingConv2D(16, pool_size=2, timesteps=4, name="conv"), SpikingDense(256, name="dense")]
    return keras.Sequential([keras.Input((8, 8, 2)), *stages, Readout(L.Dense(10), "softmax")])


def run(path, x):
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(str(path), num_threads=1)
    assert interpreter.get_signature_list()["serving_default"]["inputs"] == ["stimulus"]
    (entry,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(entry["index"], x.shape)
    interpreter.allocate_tensors()
    return interpreter.get_signature_runner()(stimulus=x)


@on_tensorflow
@pytest.mark.slow
def test_a_file_computes_what_keras_does_whatever_the_batch(network, tmp_path):
    export_litert(network, tmp_path / "a.tflite")
    for count in (1, 7):
        outputs = run(tmp_path / "a.tflite", STIMULI[:count])
        expected = network.predict(STIMULI[:count], verbose=0)
        np.testing.assert_allclose(outputs["scores"], expected, atol=1e-5)


@on_tensorflow
@pytest.mark.slow
@pytest.mark.parametrize(("precision", "fraction"), [("float16", 0.6), ("dynamic", 0.4), ("int8", 0.4)])
def test_a_smaller_file_counts_whole_spikes(network, tmp_path, precision, fraction):
    export_litert(network, tmp_path / "a.tflite")
    export_litert(network, tmp_path / "b.tflite", precision, STIMULI, outputs=("scores", "spike_counts"))
    assert (tmp_path / "b.tflite").stat().st_size < fraction * (tmp_path / "a.tflite").stat().st_size
    outputs = run(tmp_path / "b.tflite", STIMULI)
    assert {*outputs} == {"scores", "spike_counts/conv", "spike_counts/dense"}
    for stage in ("conv", "dense"):
        counts = outputs[f"spike_counts/{stage}"]
        assert counts.sum() > 0
        assert set(np.unique(counts)) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    np.testing.assert_allclose(outputs["scores"], network.predict(STIMULI, verbose=0), atol=0.15)


@on_tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_maps_are_pooled_step_by_step(tmp_path, padding):
    stimulus = keras.Input((9, 9, 2))
    spikes = SpikingConv2D(4, timesteps=3, name="conv")(stimulus)
    spikes = L.MaxPooling3D((1, 2, 2), padding=padding, data_format="channels_last")(spikes)
    spikes = L.AveragePooling3D((1, 3, 2), (1, 2, 2), padding, data_format="channels_last")(spikes)
    network = keras.Model(stimulus, Readout([L.Flatten(), L.Dense(10)])(spikes))
    x = np.random.default_rng(0).random((5, 9, 9, 2), "float32")
    before = network.predict(x, verbose=0)
    export_litert(network, tmp_path / "a.tflite", outputs=("scores", "spike_counts"))
    outputs = run(tmp_path / "a.tflite", x)
    assert outputs["spike_counts/conv"].sum() > 0
    np.testing.assert_allclose(outputs["scores"], before, atol=1e-5)
    assert all("call" not in layer.__dict__ for layer in network.layers)


@on_tensorflow
def test_arguments(network, tmp_path):
    for arguments, message in (
        (("a.tflite", "int4"), "Unknown `precision`: choose one of 'float32', 'float16', 'dynamic', 'int8'"),
        (("a.tflite", "int8"), r'`x` must be stimuli to calibrate precision="int8" with\. Received: x=None'),
        (("a.tflite", "int8", STIMULI[:, :4]), "Received"),
        (("a.onnx",), r"ending in \.tflite"),
    ):
        path, *others = arguments
        with pytest.raises(ValueError, match=message):
            export_litert(network, tmp_path / path, *others)
    assert not list(tmp_path.iterdir())


@on_tensorflow
@pytest.mark.slow
def test_operations_that_litert_lacks_are_named(tmp_path):
    stage = SpikingStage([L.Conv3D(2, 2), L.MaxPooling3D(2), L.Flatten()], timesteps=2)
    network = keras.Sequential([keras.Input((4, 4, 4, 1)), stage, Readout(L.Dense(2))])
    with pytest.raises(ValueError, match=r"no operation for .*tf\.MaxPool3D.*\. Replace the layer"):
        export_litert(network, tmp_path / "a.tflite")
    assert not list(tmp_path.iterdir())


@on_tensorflow
def test_a_layer_that_changes_its_state_is_named(tmp_path):
    class Counter(L.Layer):
        def build(self, shape):
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, inputs):
            self.calls.assign_add(1.0)
            return inputs + self.calls

    network = keras.Sequential([keras.Input((4,)), Counter(name="counter"), L.Dense(2)])
    with pytest.raises(ValueError, match="'counter' cannot be exported: it changes its state at inference"):
        export_litert(network, tmp_path / "a.tflite")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(keras.config.backend() == "tensorflow", reason="on the other backends")
def test_other_backends_are_refused(tmp_path):
    model = keras_bsd.applications.SpikingMLP((4,), 3, timesteps=2, units=(5,))
    with pytest.raises(
        ValueError, match=r"written on TensorFlow\. Received: backend=.* KERAS_BACKEND=tensorflow"
    ):
        export_litert(model, tmp_path / "a.tflite")
