"""ONNX files whose weights are stored in int8: values against NumPy, and whole networks against Keras."""

import keras
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import keras_bsd
from keras_bsd.export import check_onnx, compress_onnx, export_onnx
from keras_bsd.export._int8_weights import store_in_int8
from keras_bsd.layers import Readout, SpikingConv2D, SpikingStage
from tests.export.networks import NETWORKS, length, lively, stimuli

onnxruntime = pytest.importorskip("onnxruntime")
L = keras.layers
pytestmark = [
    pytest.mark.xdist_group("compression"),
    # Keras names every layer without weights to quantise.
    pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method"),
]

# An operation, its attributes, the shapes of a sample and of its weights, and the axes that share a scale.
PRODUCTS = {
    "MatMul": ({}, (20,), (20, 30), (0,)),
    "Gemm": ({}, (20,), (20, 30), (0,)),
    "Gemm, transposed": ({"transB": 1}, (20,), (30, 20), (1,)),
    "Conv": ({}, (8, 6, 6), (12, 8, 3, 3), (1, 2, 3)),
    "Conv, depthwise": ({"group": 16}, (16, 6, 6), (32, 1, 3, 3), (1, 2, 3)),
    "ConvTranspose": ({}, (8, 6, 6), (8, 12, 3, 3), (0, 2, 3)),
    "ConvTranspose, depthwise": ({"group": 16}, (16, 6, 6), (16, 2, 3, 3), (2, 3)),
}


def graph_of(kind, attributes, shape, weights):
    node = helper.make_node(kind, ["x", "w"], ["y"], **attributes)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *shape])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph([node], "g", inputs, outputs, [numpy_helper.from_array(weights, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run(proto, x):
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def stored(path):
    """Return the types of the large weights in a file."""
    tensors = onnx.load(path).graph.initializer
    return [tensor.data_type for tensor in tensors if len(tensor.dims) > 1 and np.prod(tensor.dims) >= 256]


@pytest.mark.parametrize("name", PRODUCTS)
def test_each_output_channel_has_its_own_scale(name):
    attributes, shape, of_weights, axes = PRODUCTS[name]
    generator = np.random.default_rng(0)
    weights = generator.normal(size=of_weights).astype("float32") * np.exp(
        generator.normal(size=of_weights[:2])
    )[(...,) + (None,) * (len(of_weights) - 2)].astype("float32")
    proto = graph_of(name.split(",")[0], attributes, shape, weights)
    assert store_in_int8(proto) == 1
    step = np.abs(weights).max(axis=axes, keepdims=True) / 127
    expected = np.round(weights / step)
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    assert tensors["w/int8"].dtype == np.int8
    np.testing.assert_array_equal(tensors["w/int8"], expected)
    np.testing.assert_allclose(tensors["w/scale"], step, rtol=1e-6)
    assert (np.abs(expected * step - weights) <= step / 2 * (1 + 1e-5)).all()
    x = generator.normal(size=(3, *shape)).astype("float32")
    dequantised = graph_of(name.split(",")[0], attributes, shape, (expected * step).astype("float32"))
    np.testing.assert_allclose(run(proto, x), run(dequantised, x), atol=1e-4)


def test_scales_worked_out_by_hand():
    weights = np.zeros((2, 128), "float32")
    weights[:, :3] = [[1.27, -0.5, 0.0], [0.004, 0.25, 0.0]]
    proto = graph_of("MatMul", {}, (2,), weights)
    store_in_int8(proto)
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    assert tensors["w/int8"][:, :3].tolist() == [[127, -127, 0], [0, 64, 0]]
    assert tensors["w/scale"][0, :3].tolist() == pytest.approx([0.01, 0.5 / 127, 1.0])


def test_weights_of_several_products_that_disagree_stay_as_they_are():
    proto = graph_of("MatMul", {}, (20,), np.ones((20, 20), "float32"))
    proto.graph.node.append(helper.make_node("Gemm", ["y", "w"], ["z"], transB=1))
    assert store_in_int8(proto) == 0


def test_small_tensors_and_weights_between_the_levels_stay_as_they_are():
    weights = np.random.default_rng(0).normal(size=(20, 20)).astype("float32")
    assert store_in_int8(graph_of("MatMul", {}, (20,), weights), only_exact=True) == 0
    assert store_in_int8(graph_of("MatMul", {}, (4,), weights[:4])) == 0
    levels = np.random.default_rng(0).integers(-127, 128, (20, 20))
    levels[0] = 127
    scales = np.random.default_rng(0).random(20)
    assert (
        store_in_int8(graph_of("MatMul", {}, (20,), (levels * scales).astype("float32")), only_exact=True) == 1
    )


def tensors_of(weights, **kwargs):
    """Return what an ONNX model of one product holds for its weights."""
    proto = graph_of("MatMul", {}, (len(weights),), weights.astype("float32"))
    store_in_int8(proto, **kwargs)
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


@pytest.mark.parametrize("levels", [127, 126, 64, 7])
def test_exact_weights_may_have_fewer_levels(levels):
    """Keras adds 1e-7 to a maximum, so that tiny weights reach 126; a quantizer may have a range of values."""
    values = np.random.default_rng(0).integers(-levels, levels + 1, (20, 20))
    values[3] = levels
    scales = 1e-5 * np.random.default_rng(1).random(20)
    tensors = tensors_of(values * scales, only_exact=True)
    np.testing.assert_allclose(tensors["w/int8"] * tensors["w/scale"], values * scales, rtol=1e-6)


def test_small_channels_beside_great_ones_are_not_rounded():
    weights = np.random.default_rng(0).integers(-127, 128, (20, 20)) / 127
    weights[3] = 1
    weights[:, 1] = 1e-5 * np.random.default_rng(0).normal(size=20)
    assert {*tensors_of(weights, only_exact=True)} == {"w"}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_stay_as_they_are(value):
    weights = np.ones((20, 20))
    weights[2, 3] = value
    for only_exact in (False, True):
        np.testing.assert_array_equal(tensors_of(weights, only_exact=only_exact)["w"], weights)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["conv, decoder", "residual", "autoencoder", "forecast", "tokens"])
def test_a_quantised_network_and_its_file_agree(name, tmp_path):
    keras.utils.set_random_seed(1234)
    model = lively(NETWORKS[name]())
    model.quantize("int8")
    export_onnx(model, tmp_path / "a.onnx", outputs=("scores", "spike_counts"), length=length(model))
    outputs = check_onnx(model, tmp_path / "a.onnx", stimuli(model, 30))["outputs"]
    assert outputs.pop("scores")["largest_difference"] < 1e-4
    assert all(result["unexplained"] == 0 for result in outputs.values())


def wide_network():
    stages = [
        SpikingConv2D(16, pool_size=2, timesteps=2),
        SpikingStage([L.SeparableConv2D(32, 3), L.Flatten()]),
    ]
    return keras.Sequential([keras.Input((8, 8, 4)), *stages, Readout(L.Dense(10))])


def test_the_file_of_a_quantised_network_holds_bytes(tmp_path):
    model, x = wide_network(), np.random.default_rng(0).random((9, 8, 8, 4), "float32")
    export_onnx(model, tmp_path / "single.onnx")
    model.quantize("int8")
    export_onnx(model, tmp_path / "int8.onnx", outputs=("scores", "spikes"))
    assert stored(tmp_path / "single.onnx").count(TensorProto.INT8) == 0
    assert set(stored(tmp_path / "int8.onnx")) == {TensorProto.INT8}
    outputs = check_onnx(model, tmp_path / "int8.onnx", x)["outputs"]
    assert outputs.pop("scores")["largest_difference"] < 1e-5
    assert all(result["unexplained"] == 0 for result in outputs.values())


def test_the_file_of_a_network_that_is_quantised_in_part(tmp_path):
    model = wide_network()
    model.quantize("int8", filters="conv2d")
    export_onnx(model, tmp_path / "a.onnx")
    types = stored(tmp_path / "a.onnx")
    assert types.count(TensorProto.FLOAT) == 1  # of the dense readout
    assert types.count(TensorProto.INT8) == len(types) - 1 >= 2


@pytest.mark.slow
def test_a_quantised_network_and_its_file_agree_on_a_whole_test_set(tmp_path, digits):
    (x, y), (x_test, y_test) = digits
    keras.utils.set_random_seed(1)
    model = keras_bsd.applications.SpikingConvNet(
        (8, 8, 1), 10, timesteps=3, filters=(32, 64), pool_sizes=(2, 2)
    )
    model.compile(keras.optimizers.AdamW(6e-3), metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=3, verbose=0)
    accuracy = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
    export_onnx(model, tmp_path / "single.onnx", outputs=("scores", "spike_counts"))
    model.quantize("int8")
    export_onnx(model, tmp_path / "int8.onnx", outputs=("scores", "spike_counts"))
    assert (tmp_path / "int8.onnx").stat().st_size < 0.5 * (tmp_path / "single.onnx").stat().st_size
    outputs = check_onnx(model, tmp_path / "int8.onnx", x_test, y_test)["outputs"]
    scores = outputs.pop("scores")
    assert scores["same"] == 1
    assert scores["accuracy"] == scores["keras_accuracy"] > accuracy - 0.01
    assert accuracy > 0.8
    assert all(result["unexplained"] == 0 for result in outputs.values())


def test_weights_alone_need_no_stimuli_and_may_be_of_a_step(tmp_path):
    model = keras_bsd.applications.SpikingMLP((4,), 3, timesteps=2, units=(64, 32)).encoder
    x = np.random.default_rng(0).random((20, 4), "float32")
    for streaming in (False, True):
        source, path = tmp_path / "source.onnx", tmp_path / "small.onnx"
        export_onnx(model, source, streaming=streaming)
        compress_onnx(source, path, "int8_weights")
        assert stored(path).count(TensorProto.INT8) == 2
        assert check_onnx(model, path, x)["outputs"]["scores"]["largest_difference"] < 0.1
        for precision in ("int8_weights", "float16"):
            with pytest.raises(ValueError, match=r"in single precision .* in int8 already"):
                compress_onnx(path, source, precision)


def test_a_file_without_large_weights(tmp_path):
    network = keras.Sequential([keras.Input((4,)), SpikingStage(L.Dense(3), timesteps=2), Readout(L.Dense(2))])
    export_onnx(network, tmp_path / "a.onnx")
    message = 'finite and for "int8_weights" of at least 256 values.*, which has none'
    with pytest.raises(ValueError, match=message):
        compress_onnx(tmp_path / "a.onnx", tmp_path / "b.onnx", "int8_weights")
