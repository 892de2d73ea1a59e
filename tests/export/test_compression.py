import json

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import onnx
import pytest

import keras_bsd
from keras_bsd.export import check_onnx, compress_onnx, export_onnx
from keras_bsd.layers import Readout, SpikingConv2D, SpikingStage
from tests.export.networks import stimuli

L = keras.layers
pytestmark = pytest.mark.xdist_group("compression")  # these tests share files that take long to make


@pytest.fixture(scope="module")
def digits_file(tmp_path_factory, digits):
    """A network that has learned digits for a few epochs, and its file."""
    path = tmp_path_factory.mktemp("exported") / "digits.onnx"
    keras.utils.set_random_seed(1)
    model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(320, 320))
    model.compile(keras.optimizers.AdamW(6e-3))
    model.fit(*digits[0], batch_size=128, epochs=4, verbose=0)
    export_onnx(model, path, labels=range(10), outputs=("scores", "spike_counts"))
    return model, path


@pytest.mark.slow
def test_the_original_over_a_whole_test_set(digits_file, digits):
    model, path = digits_file
    report = check_onnx(model, path, *digits[1])
    assert report["samples"] == 360
    scores = report["outputs"].pop("scores")
    assert scores["same"] == 1
    assert scores["largest_difference"] <= 1e-4
    assert scores["accuracy"] == scores["keras_accuracy"] > 0.8
    assert all(result["unexplained"] == 0 for result in report["outputs"].values())


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "fraction", "loss"), [("float16", 0.55, 0.003), ("int8", 0.35, 0.003)])
def test_smaller_at_the_same_accuracy(digits_file, precision, fraction, loss, tmp_path, digits):
    model, source = digits_file
    path = tmp_path / "small.onnx"
    compress_onnx(source, path, precision, digits[0][0][:200])
    assert path.stat().st_size < fraction * source.stat().st_size
    scores = check_onnx(model, path, *digits[1])["outputs"]["scores"]
    assert scores["keras_accuracy"] > 0.8
    assert scores["accuracy"] >= scores["keras_accuracy"] - loss
    assert scores["same"] > 0.99
    assert 0 < scores["largest_difference"] < 0.5
    metadata = [{entry.key: entry.value for entry in onnx.load(file).metadata_props} for file in (source, path)]
    assert metadata[0].items() <= metadata[1].items()
    assert json.loads(metadata[1]["labels"]) == [str(digit) for digit in range(10)]


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_a_convolution(precision, exported, tmp_path):
    model, source = exported("conv")
    x = stimuli(model, 40)
    compress_onnx(source, tmp_path / "small.onnx", precision, x)
    scores = check_onnx(model, tmp_path / "small.onnx", x)["outputs"]["scores"]
    assert scores["same"] >= 0.9
    assert scores["largest_difference"] < 0.5


def test_weights_of_int8_are_bytes(exported, tmp_path):
    model, source = exported("refractory")
    compress_onnx(source, tmp_path / "small.onnx", "int8", stimuli(model, 20))
    proto = onnx.load(tmp_path / "small.onnx")
    matrices = [value for value in proto.graph.initializer if len(value.dims) == 2 and value.dims[0] > 1]
    assert {value.data_type for value in matrices} == {onnx.TensorProto.INT8}
    assert len(matrices) == 3
    assert {entry.key for entry in proto.metadata_props} >= {"labels", "preprocess", "timesteps", "thresholds"}


@pytest.fixture(scope="module")
def step_file(tmp_path_factory):
    """A network wide enough for half precision, and the file of its time step."""
    path = tmp_path_factory.mktemp("exported") / "step.onnx"
    keras.utils.set_random_seed(1234)
    model = keras_bsd.applications.SpikingMLP((4,), 3, timesteps=2, units=(64, 32)).encoder
    export_onnx(model, path, streaming=True)
    return model, path


def test_a_step_in_float16(step_file, tmp_path):
    model, source = step_file
    path = tmp_path / "step.onnx"
    path.write_bytes(source.read_bytes())
    compress_onnx(path, path, "float16")
    assert path.stat().st_size < source.stat().st_size
    types = {value.data_type for value in onnx.load(path).graph.initializer if len(value.dims) == 2}
    assert onnx.TensorProto.FLOAT16 in types
    x = np.random.default_rng(0).random((20, 4), "float32")
    assert check_onnx(model, path, x)["outputs"]["scores"]["largest_difference"] < 0.1


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_weights_beyond_the_range_of_float16_stay_in_single_precision(tmp_path):
    model = keras_bsd.applications.SpikingMLP((4,), 3, timesteps=2, units=(64, 32)).encoder
    kernel = next(weight for weight in model.weights if weight.shape == (64, 32))
    kernel.assign(np.where(np.eye(64, 32), 1e5, keras.ops.convert_to_numpy(kernel)))
    export_onnx(model, tmp_path / "a.onnx")
    compress_onnx(tmp_path / "a.onnx", tmp_path / "b.onnx", "float16")
    x = np.random.default_rng(0).random((20, 4), "float32")
    assert check_onnx(model, tmp_path / "b.onnx", x)["outputs"]["scores"]["largest_difference"] < 0.1
    types = [
        value.data_type for value in onnx.load(tmp_path / "b.onnx").graph.initializer if len(value.dims) == 2
    ]
    assert {onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT} == {*types}


def _quantised(proto):
    """Return the kinds of nodes whose outputs are rounded."""
    made_by = {name: node.op_type for node in proto.graph.node for name in node.output}
    return {made_by.get(node.input[0]) for node in proto.graph.node if node.op_type == "QuantizeLinear"}


def test_outputs_of_products_stay_in_single_precision(exported, tmp_path):
    path = tmp_path / "small.onnx"
    model, source = exported("conv")
    x = stimuli(model, 20)
    for keep, rounded in ((False, True), (True, False)):
        compress_onnx(source, path, "int8", x, keep_currents=keep)
        quantised = _quantised(onnx.load(path))
        assert "MatMul" not in quantised
        assert ("Conv" in quantised) == rounded
        assert check_onnx(model, path, x)["outputs"]["scores"]["largest_difference"] < 0.5


def test_by_default_currents_are_rounded_for_classes_alone(tmp_path):
    x = np.random.default_rng(0).random((12, 6, 6, 1), "float32")
    for activation, rounded in (("softmax", True), (None, False), ("inside", False)):
        stage, layers = SpikingConv2D(4, timesteps=2), [L.Flatten(), L.Dense(3)]
        layers += [L.Softmax(), L.Dense(2)] if activation == "inside" else []
        readout = Readout(layers, None if activation == "inside" else activation)
        export_onnx(keras.Sequential([keras.Input((6, 6, 1)), stage, readout]), tmp_path / "network.onnx")
        compress_onnx(tmp_path / "network.onnx", tmp_path / "small.onnx", "int8", x)
        assert ("Conv" in _quantised(onnx.load(tmp_path / "small.onnx"))) == rounded


def test_a_dense_network_with_spikes_of_whole_weights_is_exact(tmp_path):
    """Weights that int8 stores exactly and inputs of 0 and 1: only rounded currents could change spikes.

    Two weights that add up to more than 128 saturate on x86 CPUs without VNNI.
    """
    model = keras_bsd.applications.SpikingMLP((8,), 3, units=(16,), timesteps=3)
    generator = np.random.default_rng(0)
    for weight in model.encoder.weights:
        if "kernel" in weight.path:
            values = generator.integers(-60, 61, weight.shape) / 127
            values[:2] = [[1.0], [0.0]]  # the largest of each output sets the scale
            weight.assign(values)
    export_onnx(model, tmp_path / "network.onnx", outputs=("scores", "spikes"))
    x = generator.integers(0, 2, (40, 8)).astype("float32")
    compress_onnx(tmp_path / "network.onnx", tmp_path / "small.onnx", "int8", x)
    outputs = check_onnx(model, tmp_path / "small.onnx", x)["outputs"]
    spikes = next(result for name, result in outputs.items() if name.startswith("spikes/"))
    assert spikes["same"] == 1
    assert outputs["scores"]["largest_difference"] < 1e-5


def test_names_within_the_file_are_short(exported, tmp_path):
    model, source = exported("refractory")
    compress_onnx(source, tmp_path / "small.onnx", "int8", stimuli(model, 20))
    for path in (source, tmp_path / "small.onnx"):
        graph = onnx.load(path).graph
        fixed = {value.name for value in [*graph.input, *graph.output]}
        inner = {name for node in graph.node for name in [*node.input, *node.output]} - fixed
        assert all(len(name) <= 4 for name in inner)
        assert len({node.name for node in graph.node}) == len(graph.node)
        assert not graph.value_info


@pytest.fixture(scope="module")
def ranged_file(tmp_path_factory):
    """The file of a pair whose stimuli lie in [0, 1], with compressed versions of it and a foreign file."""
    folder = tmp_path_factory.mktemp("ranged")
    model = keras_bsd.applications.SpikingMLP((4,), 3, timesteps=2, units=(64,))
    export_onnx(model, folder / "network.onnx")
    compress_onnx(folder / "network.onnx", folder / "half.onnx", "float16")
    compress_onnx(folder / "network.onnx", folder / "int8.onnx", "int8", np.eye(4))
    proto = onnx.load(folder / "network.onnx")
    del proto.metadata_props[:]
    onnx.save(proto, folder / "foreign.onnx")
    return folder


@pytest.mark.parametrize(
    ("source", "precision", "x", "message"),
    [
        (
            "network",
            "int8",
            255 * np.eye(4),
            r"range .*network.onnx expects, 0 to 1\. .*values from 0 to 255\. Preprocess",
        ),
        ("network", "int8", -np.eye(4), "values from -1 to -?0"),
        (
            "network",
            "int8",
            np.full((3, 4), np.nan),
            r"`x` must be finite\. Received: NaN or infinity in 3 of 3 samples",
        ),
        ("network", "int8", np.full((3, 4), np.inf), "`x` must be finite"),
        ("network", "int8", np.full((3, 4), "a"), "`x` must be numbers. Received: dtype=<U1, such as a"),
        (
            "network",
            "int8",
            np.full((3, 4), 0.5),
            r"different values, .* Received: 3 stimuli, 0\.5 every",
        ),
        ("half", "int8", np.eye(4), "in single precision .* in float16 already. Compress the file that"),
        ("int8", "int8", np.eye(4), "in single precision .* in int8 already"),
        ("half", "float16", None, "in single precision .* in float16 already"),
        ("int8", "float16", None, "in single precision .* in int8 already"),
        ("foreign", "int8", np.eye(4), "must be a file of keras_bsd.export.export_onnx"),
        ("foreign", "float16", None, r"foreign\.onnx, with the inputs \['stimulus'\]"),
    ],
)
def test_files_and_stimuli_that_cannot_be_compressed(ranged_file, source, precision, x, message, tmp_path):
    target = tmp_path / "small.onnx"
    target.write_bytes(b"before")
    with pytest.raises(ValueError, match=message):
        compress_onnx(ranged_file / f"{source}.onnx", target, precision, x)
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.slow
@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(data=st.data())
def test_a_damaged_file_is_named_and_the_file_before_stays(ranged_file, data):
    content = bytearray((ranged_file / "network.onnx").read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    damaged, target = ranged_file / "damaged.onnx", ranged_file / "target.onnx"
    damaged.write_bytes(content)
    target.write_bytes(b"before")
    for arguments in (("float16",), ("int8", np.eye(4))):
        message = ""
        try:
            compress_onnx(damaged, target, *arguments)
        except ValueError as error:
            message = str(error)
        if message:
            assert message.startswith("`x` must") or ".onnx" in message
            assert target.read_bytes() == b"before"
        target.write_bytes(b"before")


def test_a_network_without_weights_that_int8_quantises(tmp_path):
    stage = SpikingStage([L.Reshape((2, 2, 1)), L.Conv2DTranspose(2, 2)], timesteps=2)
    network = keras.Sequential([keras.Input((4,)), stage, Readout(L.Flatten())])
    export_onnx(network, tmp_path / "network.onnx")
    with pytest.raises(ValueError, match="must have weights of dense layers or convolutions for int8"):
        compress_onnx(tmp_path / "network.onnx", tmp_path / "small.onnx", "int8", np.eye(4))


def test_bad_input(exported, step_file, tmp_path):
    _, source = exported("conv")
    target = tmp_path / "small.onnx"
    for arguments, message in (
        (
            (source, target, "int4"),
            "Unknown `precision`: choose one of 'float16', 'int8', 'int8_weights'",
        ),
        ((source, target, "int8"), r"stimuli \(samples, 7, 5, 2\) to calibrate int8 with. Received: x=None"),
        ((source, target, "int8", np.zeros((3, 7, 5))), r"Received: shape=\(3, 7, 5\)"),
        ((tmp_path / "missing.onnx", target, "float16"), "must be an ONNX file, but it is missing"),
        ((source, tmp_path / "small.bin", "float16"), r"ending in \.onnx"),
        (
            (step_file[1], target, "int8", np.zeros((3, 4))),
            r"whole networks\. Received: .*step\.onnx, .* Choose",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            compress_onnx(*arguments)
    assert not list(tmp_path.iterdir())
