"""Keras's own export of a pair: its encoder, in every format, trained or loaded."""

import keras
import numpy as np
import pytest

import keras_bsd
from tests.models import pairs

onnxruntime = pytest.importorskip("onnxruntime")
tensorflow_only = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="Keras exports it by TensorFlow"
)
# Converters warn of their own dependencies.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def pair():
    return keras_bsd.applications.SpikingMLP((4,), 3, timesteps=2, units=(5,))


@pytest.fixture(params=["built", "called", "loaded"])
def any_pair(request, pair, tmp_path):
    if request.param == "called":
        pair.predict(np.zeros((1, 4)), verbose=0)
    if request.param != "loaded":
        return pair
    pair.save(tmp_path / "pair.keras")
    return keras.saving.load_model(tmp_path / "pair.keras")


def _stimuli(count):
    return np.random.default_rng(0).random((count, 4), "float32")


@pytest.mark.skipif(keras.config.backend() == "jax", reason="Keras needs jax2onnx")
def test_onnx(any_pair, tmp_path):
    any_pair.export(tmp_path / "pair.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "pair.onnx")
    assert [value.name for value in session.get_inputs()] == ["stimulus"]
    for count in (3, 5):
        (scores,) = session.run(None, {"stimulus": _stimuli(count)})
        np.testing.assert_allclose(scores, any_pair.predict(_stimuli(count), verbose=0), atol=1e-5)


@pytest.mark.slow
@tensorflow_only
def test_tf_saved_model(any_pair, tmp_path):
    import tensorflow as tf

    any_pair.export(tmp_path / "pair", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "pair")
    _, inputs = loaded.signatures["serving_default"].structured_input_signature
    assert list(inputs) == ["stimulus"]
    np.testing.assert_allclose(loaded.serve(_stimuli(3)), any_pair.predict(_stimuli(3), verbose=0), atol=1e-5)


@pytest.mark.slow
@tensorflow_only
def test_litert(any_pair, tmp_path):
    import tensorflow as tf

    any_pair.export(tmp_path / "pair.tflite", format="litert", verbose=False)
    interpreter = tf.lite.Interpreter(str(tmp_path / "pair.tflite"))
    assert interpreter.get_signature_list()["serving_default"]["inputs"] == ["stimulus"]


@pytest.mark.skipif(keras.config.backend() != "torch", reason="Keras exports it by PyTorch")
def test_torch(any_pair, tmp_path):
    import torch

    any_pair.export(tmp_path / "pair.pt2", format="torch", verbose=False)
    program = torch.export.load(tmp_path / "pair.pt2").module()
    scores = program(torch.from_numpy(_stimuli(1))).detach().numpy()
    np.testing.assert_allclose(scores, any_pair.predict(_stimuli(1), verbose=0), atol=1e-5)


@pytest.mark.skipif(keras.config.backend() == "jax", reason="Keras needs jax2onnx")
def test_the_name_is_that_of_the_stimulus_whatever_the_input_is_called(tmp_path):
    model = pairs.dense_pair()
    model.export(tmp_path / "pair.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "pair.onnx")
    assert [value.name for value in session.get_inputs()] == ["stimulus"]


def test_an_unknown_format_is_keras_error(pair, tmp_path):
    with pytest.raises(ValueError, match="Unrecognized format=caffe"):
        pair.export(tmp_path / "pair", format="caffe")
