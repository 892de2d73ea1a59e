import json

import keras
import numpy as np
import onnx
import pytest

import keras_bsd
from keras_bsd.export import check_onnx, compress_onnx, export_onnx
from keras_bsd.export._parity import open_session
from tests.models import pairs

pytestmark = pytest.mark.xdist_group("compression")  # of tests that share what takes long to make


@pytest.fixture(scope="module")
def exported(tmp_path_factory, digits):
    """A network that has learned digits a little, and its file."""
    path = tmp_path_factory.mktemp("exported") / "digits.onnx"
    keras.utils.set_random_seed(1234)
    model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(320, 320))
    model.compile(keras.optimizers.AdamW(6e-3))
    model.fit(*digits[0], batch_size=128, epochs=4, verbose=0)
    export_onnx(model, path, labels=range(10), outputs=("scores", "spike_counts"))
    return model, path


def test_the_original_over_a_whole_test_set(exported, digits):
    model, path = exported
    report = check_onnx(model, path, *digits[1])
    assert report["samples"] == 360
    scores = report["outputs"].pop("scores")
    assert scores["same"] == 1
    assert scores["largest_difference"] <= 1e-4
    assert scores["accuracy"] == scores["keras_accuracy"] > 0.8
    assert all(found["unexplained"] == 0 for found in report["outputs"].values())


@pytest.mark.parametrize(("precision", "part", "most_lost"), [("float16", 0.55, 0.003), ("int8", 0.35, 0.003)])
def test_smaller_and_as_good(exported, precision, part, most_lost, tmp_path, digits):
    model, source = exported
    path = tmp_path / "small.onnx"
    compress_onnx(source, path, precision, digits[0][0][:200])
    assert path.stat().st_size < part * source.stat().st_size
    scores = check_onnx(model, path, *digits[1])["outputs"]["scores"]
    assert scores["keras_accuracy"] > 0.8
    assert scores["accuracy"] >= scores["keras_accuracy"] - most_lost
    assert scores["same"] > 0.99
    assert 0 < scores["largest_difference"] < 0.5
    metadata = [{entry.key: entry.value for entry in onnx.load(file).metadata_props} for file in (source, path)]
    assert metadata[0].items() <= metadata[1].items()
    assert json.loads(metadata[1]["labels"]) == [str(digit) for digit in range(10)]


def test_weights_of_int8_are_bytes(exported, tmp_path, digits):
    compress_onnx(exported[1], tmp_path / "small.onnx", "int8", digits[0][0][:100])
    weights = onnx.load(tmp_path / "small.onnx").graph.initializer
    assert not [
        value for value in weights if value.data_type == onnx.TensorProto.FLOAT and len(value.dims) == 2
    ]
    types = {value.data_type for value in weights if len(value.dims) == 2}
    assert types == {onnx.TensorProto.INT8}


def test_a_convolution(tmp_path):
    model = pairs.conv_pair()
    x = pairs.samples(model, 40)[0]
    export_onnx(model, tmp_path / "network.onnx")
    for precision in ("float16", "int8"):
        compress_onnx(tmp_path / "network.onnx", tmp_path / "small.onnx", precision, x)
        found = check_onnx(model, tmp_path / "small.onnx", x)["outputs"]["scores"]
        assert found["largest_difference"] < 0.2


def test_a_step_of_a_stream_in_float16(tmp_path):
    model = keras_bsd.applications.SpikingMLP((4,), 3, units=(64, 32)).encoder
    path = tmp_path / "step.onnx"
    export_onnx(model, path, streaming=True)
    size = path.stat().st_size
    compress_onnx(path, path, "float16")
    assert path.stat().st_size < size
    x = np.random.default_rng(0).random((20, 4), "float32")
    assert check_onnx(model, path, x)["outputs"]["scores"]["largest_difference"] < 0.1
    with pytest.raises(ValueError, match=r"not quantised\. Received: .*step\.onnx, .* Choose"):
        compress_onnx(path, path, "int8", x)
    assert len(open_session(path).get_inputs()) > 1


def test_bad_input(exported, tmp_path):
    _, source = exported
    target = tmp_path / "small.onnx"
    for arguments, message in (
        ((source, target, "int4"), "Unknown `precision`: choose one of 'float16', 'int8'. Received"),
        (
            (source, target, "int8"),
            r"stimuli \(samples, 8, 8, 1\) to calibrate int8 with. Received: None",
        ),
        ((source, target, "int8", np.zeros((3, 8, 8))), r"Received: shape=\(3, 8, 8\)"),
        ((tmp_path / "missing.onnx", target, "float16"), "is not an ONNX file that can be run"),
        ((source, tmp_path / "small.bin", "float16"), r"ending in \.onnx"),
    ):
        with pytest.raises(ValueError, match=message):
            compress_onnx(*arguments)
    assert not list(tmp_path.iterdir())
