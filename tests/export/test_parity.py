import itertools
import json

import keras
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from keras_bsd.export import check_onnx, export_onnx
from keras_bsd.layers import Readout, SpikingStage
from tests.export.networks import lively, stimuli
from tests.models import pairs


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network, its file with spike counts, and stimuli."""
    keras.utils.set_random_seed(1234)
    model, path = lively(pairs.dense_encoder()), tmp_path_factory.mktemp("exported") / "network.onnx"
    *weights, kernel, bias = model.get_weights()
    model.set_weights([*weights, kernel, 0 * bias])  # decisions are the spikes' alone
    export_onnx(model, path, outputs=("scores", "spike_counts", "spikes"))
    return model, path, stimuli(model, 270)


def test_alike(exported):
    model, path, x = exported
    report = check_onnx(model, path, x)
    assert json.loads(json.dumps(report)) == report
    assert report["samples"] == 270
    y = model.predict(x, verbose=0).argmax(axis=1)
    y[:27] += 1
    scores = check_onnx(model, path, x, y)["outputs"]["scores"]
    assert scores["accuracy"] == scores["keras_accuracy"] == pytest.approx(0.9)
    assert report["outputs"]["scores"] == {"same": 1.0, "largest_difference": pytest.approx(0, abs=1e-6)}
    for kind, stage in itertools.product(("spike_counts", "spikes"), ("first", "second", "third")):
        found = report["outputs"][f"{kind}/{stage}"]
        assert found == {"same": 1.0, "largest_difference": 0.0, "near_threshold": 0, "unexplained": 0}


def _with_initializer(path, changed, shape, change):
    """A copy of the file, its only initializer of `shape` changed."""
    proto = onnx.load(path)
    (weight,) = [value for value in proto.graph.initializer if list(value.dims) == shape]
    weight.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(weight)), weight.name))
    onnx.save(proto, changed)


def test_other_weights_are_found(exported, tmp_path):
    model, path, x = exported
    _with_initializer(path, tmp_path / "changed.onnx", [9, 8], np.negative)
    found = check_onnx(model, tmp_path / "changed.onnx", x)["outputs"]
    assert found["scores"]["largest_difference"] > 0.01
    assert found["scores"]["same"] < 1
    for kind in ("spike_counts", "spikes"):
        assert found[f"{kind}/first"]["same"] == 1
        assert found[f"{kind}/second"]["same"] < 0.99
        assert found[f"{kind}/second"]["unexplained"] > 0
        # Wherever the third stage differs, the second did so already in the same sample.
        assert found[f"{kind}/third"]["near_threshold"] > 0


def test_a_membrane_at_its_threshold_explains_a_difference(tmp_path):
    """Currents of 0.6 reach a threshold of 0.6 at once, those a little lower do not."""
    dense = keras.layers.Dense(2, kernel_initializer="ones", use_bias=False)
    model = keras.Sequential(
        [
            keras.Input((1,)),
            SpikingStage(dense, timesteps=1, name="only"),
            Readout(keras.layers.Dense(2, kernel_initializer="ones")),
        ]
    )
    path = tmp_path / "network.onnx"
    export_onnx(model, path, outputs="spike_counts")
    x = np.array([[0.600001], [0.7], [0.5]], "float32")
    for kernel, expected in (
        ([[1.0, 0.99999]], {"near_threshold": 1, "unexplained": 0, "same": 5 / 6}),
        ([[1.0, 0.8]], {"near_threshold": 0, "unexplained": 2, "same": 4 / 6}),
    ):
        dense.set_weights([np.array(kernel, "float32")])
        found = check_onnx(model, path, x)["outputs"]["spike_counts/only"]
        assert found == {"largest_difference": 1.0, **expected}


def test_bad_input(exported, tmp_path):
    model, path, x = exported
    with pytest.raises(ValueError, match=r"shape \(samples, 4\)\. Received: ndarray of shape \(270, 3\)"):
        check_onnx(model, path, x[:, :3])
    with pytest.raises(ValueError, match=r"`y` must have shape \(270,\), classes\. Received: shape=\(3,\)"):
        check_onnx(model, path, x, [0, 1, 2])
    with pytest.raises(ValueError, match=r"Received: ndarray of shape \(0, 4\)"):
        check_onnx(model, path, x[:0])
    with pytest.raises(ValueError, match=r"not of this model, .* \(7, 5, 2\)\. Received: .*\(4,\)"):
        check_onnx(pairs.conv_pair(), path, np.zeros((1, 7, 5, 2)))
    for name, content in (("cut.onnx", path.read_bytes()[:500]), ("text.onnx", b"not a graph")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name} is not an ONNX file that can be run.*Export it again"):
            check_onnx(model, tmp_path / name, x)
    with pytest.raises(ValueError, match=r"missing\.onnx is not an ONNX file that can be run: it is missing"):
        check_onnx(model, tmp_path / "missing.onnx", x)
