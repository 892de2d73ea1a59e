import json

import keras
import numpy as np
import onnx
import pytest

import keras_bsd
from keras_bsd.export import check_onnx, compress_onnx, export_onnx
from tests.export.networks import stimuli

pytestmark = pytest.mark.xdist_group("compression")  # these tests share files that take long to make


@pytest.fixture(scope="module")
def digits_file(tmp_path_factory, digits):
    """A network that has learned digits for a few epochs, and its file."""
    path = tmp_path_factory.mktemp("exported") / "digits.onnx"
    keras.utils.set_random_seed(1234)
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
    matrices = [value for value in proto.graph.initializer if len(value.dims) == 2]
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


def test_bad_input(exported, step_file, tmp_path):
    _, source = exported("conv")
    target = tmp_path / "small.onnx"
    for arguments, message in (
        ((source, target, "int4"), "Unknown `precision`: choose one of 'float16', 'int8'. Received"),
        ((source, target, "int8"), r"stimuli \(samples, 7, 5, 2\) to calibrate int8 with. Received: None"),
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
