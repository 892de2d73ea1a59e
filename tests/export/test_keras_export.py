"""Keras's own export of a pair: its encoder, in every format, trained or loaded."""

import keras
import numpy as np
import pytest

import keras_bsd
from tests.models import pairs

onnx = pytest.importorskip("onnx")
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
    scores = next(iter(interpreter.get_signature_runner()(stimulus=_stimuli(3)).values()))
    np.testing.assert_allclose(scores, any_pair.predict(_stimuli(3), verbose=0), atol=1e-5)


@pytest.mark.slow
@tensorflow_only
def test_openvino(any_pair, tmp_path):
    openvino = pytest.importorskip("openvino")
    any_pair.export(tmp_path / "pair.xml", format="openvino", verbose=False)
    network = openvino.Core().compile_model(tmp_path / "pair.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert [value.get_any_name() for value in network.inputs] == ["stimulus"]
    np.testing.assert_allclose(network(_stimuli(3))[0], any_pair.predict(_stimuli(3), verbose=0), atol=1e-5)


@pytest.mark.slow
@tensorflow_only
def test_loops_over_many_time_steps_are_written_out(tmp_path):
    pair = keras_bsd.applications.SpikingMLP((4,), 3, timesteps=40, units=(5,))
    pair.export(tmp_path / "pair.onnx", format="onnx", verbose=False)
    (scores,) = onnxruntime.InferenceSession(tmp_path / "pair.onnx").run(None, {"stimulus": _stimuli(3)})
    np.testing.assert_allclose(scores, pair.predict(_stimuli(3), verbose=0), atol=1e-5)


@pytest.mark.slow
@tensorflow_only
@pytest.mark.parametrize("format", ["onnx", "tf_saved_model"])
def test_a_whole_test_set_has_the_same_decisions(tmp_path, format):
    (x, y), (x_test, _) = keras_bsd.datasets.load_images("digits")
    pair = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, timesteps=2, units=(32, 32))
    pair.compile(keras.optimizers.AdamW(6e-3))
    pair.fit(x, y, batch_size=128, epochs=1, verbose=0)
    path = tmp_path / ("digits.onnx" if format == "onnx" else "digits")
    pair.export(path, format=format, verbose=False)
    x_test = x_test.astype("float32")
    if format == "onnx":
        (scores,) = onnxruntime.InferenceSession(path).run(None, {"stimulus": x_test})
    else:
        import tensorflow as tf

        loaded = tf.saved_model.load(path)  # which owns the variables
        scores = loaded.serve(x_test).numpy()
    np.testing.assert_array_equal(scores.argmax(-1), pair.predict(x_test, verbose=0).argmax(-1))


@pytest.mark.skipif(keras.config.backend() == "jax", reason="Keras needs jax2onnx")
def test_an_encoder_that_was_never_called(pair, tmp_path):
    signature = [keras.InputSpec("float32", (None, 4), name="stimulus")]
    pair.encoder.export(tmp_path / "e.onnx", format="onnx", verbose=False, input_signature=signature)
    session = onnxruntime.InferenceSession(tmp_path / "e.onnx")
    assert [value.name for value in session.get_inputs()] == ["stimulus"]


def _characters():
    return keras_bsd.applications.SpikingCharRNN("abc", units=(6,), delays=2, timesteps=2)


def test_sequences_of_any_length_need_one(tmp_path):
    expected = r'`input_signature` must give a length.*InputSpec\("int32", \(None, 32\), name="stimulus"\)'
    with pytest.raises(ValueError, match=expected):
        _characters().export(tmp_path / "characters.onnx", format="onnx", verbose=False)


@pytest.mark.slow
@tensorflow_only
def test_sequences_of_a_length(tmp_path):
    pair, signature = _characters(), [keras.InputSpec("int32", (None, 5), name="stimulus")]
    path = tmp_path / "characters.onnx"
    pair.export(path, format="onnx", verbose=False, input_signature=signature)
    x = np.random.default_rng(0).integers(0, 3, (4, 5)).astype("int32")
    (scores,) = onnxruntime.InferenceSession(path).run(None, {"stimulus": x})
    np.testing.assert_allclose(scores, pair.predict(x, verbose=0), atol=1e-5)


@tensorflow_only
def test_a_file_that_no_runtime_runs_is_an_error(pair, tmp_path, monkeypatch):
    def export(*_):
        window = onnx.helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1, 2, 2, 1])
        values = [onnx.helper.make_tensor_value_info(name, 1, [None] * 6) for name in "xy"]
        graph = onnx.helper.make_graph([window], "pools", values[:1], values[1:])
        onnx.save(onnx.helper.make_model(graph), path)

    path = tmp_path / "pair.onnx"
    path.write_text("earlier")
    monkeypatch.setattr(keras.Model, "export", export)
    expected = (
        r"Received: MaxPool of a window \(1, 2, 2, 1\) is in the file, of more than three dim.*export_onnx"
    )
    with pytest.raises(ValueError, match=expected):
        pair.export(path, format="onnx", verbose=False)
    assert path.read_text() == "earlier"


@tensorflow_only
def test_a_format_of_another_backend_is_an_error_that_names_what_works(pair, tmp_path):
    expected = "format='torch' on the backend tensorflow.*PyTorch as onnx and torch.*export_onnx works on every"
    with pytest.raises(ValueError, match=expected):
        pair.export(tmp_path / "pair.pt2", format="torch")


@tensorflow_only
def test_an_operation_that_onnx_does_not_know_leaves_the_earlier_file_or_none(tmp_path):
    stage, readout = keras_bsd.layers.SpikingDense, keras_bsd.layers.Readout
    layers = [Eigenvalues(), stage(6, timesteps=2), readout(keras.layers.Dense(3), "softmax")]
    decoder = [keras.Input((3,)), stage(6, timesteps=2), readout(keras.layers.Dense(4))]
    encoder = keras.Sequential([keras.Input((4,)), *layers])
    pair = keras_bsd.BSDModel(encoder, keras.Sequential(decoder))
    path = tmp_path / "pair.onnx"
    for before in ([], [b"of an earlier export"]):
        for content in before:
            path.write_bytes(content)
        with pytest.raises(ValueError, match=r"Received: .*SelfAdjointEig.*\. Keras exports these networks on"):
            pair.export(path, format="onnx", verbose=False)
        assert [file.read_bytes() for file in tmp_path.iterdir()] == before


class Eigenvalues(keras.layers.Layer):
    """A layer whose operation ONNX does not have."""

    def call(self, inputs):
        return keras.ops.eigh(inputs[:, :, None] * inputs[:, None])[0]


@pytest.mark.skipif(keras.config.backend() != "torch", reason="Keras exports it by PyTorch")
def test_torch(any_pair, tmp_path):
    import torch

    any_pair.export(tmp_path / "pair.pt2", format="torch", verbose=False)
    program = torch.export.load(tmp_path / "pair.pt2").module()
    for count in (1, 4):
        scores = program(torch.from_numpy(_stimuli(count))).detach().numpy()
        np.testing.assert_allclose(scores, any_pair.predict(_stimuli(count), verbose=0), atol=1e-5)


@pytest.mark.skipif(keras.config.backend() == "jax", reason="Keras needs jax2onnx")
def test_the_name_is_that_of_the_stimulus_whatever_the_input_is_called(tmp_path):
    model = pairs.dense_pair()
    model.export(tmp_path / "pair.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "pair.onnx")
    assert [value.name for value in session.get_inputs()] == ["stimulus"]


def test_an_unknown_format_is_keras_error(pair, tmp_path):
    with pytest.raises(ValueError, match="Unrecognized format=caffe"):
        pair.export(tmp_path / "pair", format="caffe")
