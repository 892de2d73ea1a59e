import itertools
import json

import keras
import numpy as np
import onnx
import pytest
from keras import ops
from onnx import numpy_helper

import keras_bsd
from keras_bsd.export import check_onnx, compress_onnx, export_onnx
from keras_bsd.export._network import run_with_margins
from keras_bsd.layers import Readout, SpikingDense, SpikingStage, flatten_stages
from tests.export.networks import NETWORKS, lively, stimuli
from tests.models import pairs


@pytest.fixture(scope="module")
def network_and_file(tmp_path_factory):
    """A network, its file with spikes and their counts, and stimuli."""
    keras.utils.set_random_seed(1234)
    model, path = lively(pairs.dense_encoder()), tmp_path_factory.mktemp("exported") / "network.onnx"
    *weights, kernel, bias = model.get_weights()
    model.set_weights([*weights, kernel, 0 * bias])  # so that decisions depend on spikes alone
    export_onnx(model, path, outputs=("scores", "spike_counts", "spikes"))
    return model, path, stimuli(model, 270)


def test_a_faithful_file(network_and_file):
    model, path, x = network_and_file
    report = check_onnx(model, path, x)
    assert json.loads(json.dumps(report)) == report
    assert report["samples"] == 270
    y = model.predict(x, verbose=0).argmax(axis=1)
    y[:27] = (y[:27] + 1) % 3
    scores = check_onnx(model, path, x, y)["outputs"]["scores"]
    assert scores["accuracy"] == scores["keras_accuracy"] == pytest.approx(0.9)
    assert report["outputs"]["scores"] == {"same": 1.0, "largest_difference": pytest.approx(0, abs=1e-6)}
    for kind, stage in itertools.product(("spike_counts", "spikes"), ("first", "second", "third")):
        result = report["outputs"][f"{kind}/{stage}"]
        assert result == {"same": 1.0, "largest_difference": 0.0, "near_threshold": 0, "unexplained": 0}


def _with_initializer(path, changed, shape, change):
    """Write a copy of the file with its only initializer of `shape` changed."""
    proto = onnx.load(path)
    (weight,) = [value for value in proto.graph.initializer if list(value.dims) == shape]
    weight.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(weight)), weight.name))
    onnx.save(proto, changed)


def test_changed_weights_are_detected(network_and_file, tmp_path):
    model, path, x = network_and_file
    _with_initializer(path, tmp_path / "changed.onnx", [9, 8], np.negative)
    outputs = check_onnx(model, tmp_path / "changed.onnx", x)["outputs"]
    assert outputs["scores"]["largest_difference"] > 0.01
    assert outputs["scores"]["same"] < 1
    for kind in ("spike_counts", "spikes"):
        assert outputs[f"{kind}/first"]["same"] == 1
        assert outputs[f"{kind}/second"]["same"] < 0.99
        assert outputs[f"{kind}/second"]["unexplained"] > 0
        # Wherever the third stage differs, the second one differs already in the same sample.
        assert outputs[f"{kind}/third"]["near_threshold"] > 0


@pytest.mark.parametrize("name", ["refractory", "no reset, learned", "nested"])
def test_margins_by_an_independent_loop(name):
    """Each stage's cell is stepped on the currents of the spikes before."""
    model = lively(NETWORKS[name]())
    inputs = ops.convert_to_tensor(stimuli(model, 9))
    spikes, margins = run_with_margins(model, inputs)
    stages = flatten_stages(model, SpikingStage)
    assert list(spikes) == list(margins) == [stage.name for stage in stages]
    for stage in stages:
        cell, currents = stage.neuron.cell, stage.currents(inputs, False)
        states, distances, fired = cell.get_initial_state(9), [], []
        for t in range(stage.output.shape[1]):
            current = currents[:, 0 if stage.timesteps else t]
            distances.append(ops.abs(cell.charge(current, states)[0] - cell.threshold))
            step, states = cell(current, states)
            fired.append(step)
        inputs = ops.stack(fired, axis=1)
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (spikes[stage.name], inputs)))
        expected = ops.min(ops.stack(distances), axis=0)
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (margins[stage.name], expected)))


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
        result = check_onnx(model, path, x)["outputs"]["spike_counts/only"]
        assert result == {"largest_difference": 1.0, **expected}


def test_bad_input(network_and_file, tmp_path):
    model, path, x = network_and_file
    with pytest.raises(ValueError, match=r"shape \(batch, 4\)\. Received: shape=\(270, 3\)"):
        check_onnx(model, path, x[:, :3])
    with pytest.raises(ValueError, match=r"`y` must be classes of shape \(270,\)\. Received: shape=\(3,\)"):
        check_onnx(model, path, x, [0, 1, 2])
    with pytest.raises(ValueError, match=r"Classes must lie in \[0, 2\]. Received: values from 0 to 3"):
        check_onnx(model, path, x, np.arange(270) % 4)
    with pytest.raises(ValueError, match=r"`y` must be numbers. Received: dtype=<U1"):
        check_onnx(model, path, x, np.full(270, "a"))
    with pytest.raises(ValueError, match=r"`x` must hold at least one stimulus\. Received: shape=\(0, 4\)"):
        check_onnx(model, path, x[:0])
    with pytest.raises(
        ValueError, match=r"must be a file of this model, .* \(7, 5, 2\)\)\. Received: .*\(4,\)"
    ):
        check_onnx(pairs.conv_pair(), path, np.zeros((1, 7, 5, 2)))
    for name, content in (("cut.onnx", path.read_bytes()[:500]), ("text.onnx", b"not a graph")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(
            ValueError, match=rf"{name} must be an ONNX file, but it is .* Received: .*Export it again"
        ):
            check_onnx(model, tmp_path / name, x)
    with pytest.raises(ValueError, match=r"missing\.onnx must be an ONNX file, but it is missing"):
        check_onnx(model, tmp_path / "missing.onnx", x)


def test_stimuli_out_of_the_range_that_the_file_expects(tmp_path):
    model = keras_bsd.applications.SpikingMLP((4,), 3, timesteps=2, units=(5,))
    export_onnx(model, tmp_path / "network.onnx")
    for exported, message in (
        (model, r"Stimuli must lie in \[0, 1\].* Received: values from 0 to 255"),
        (model.encoder, r"stimuli that .*network\.onnx expects, 0 to 1\. Received: values from 0 to 255"),
    ):
        with pytest.raises(ValueError, match=message):
            check_onnx(exported, tmp_path / "network.onnx", 255 * np.eye(4))


def test_files_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    model = keras_bsd.applications.SpikingMLP((4,), 3, timesteps=2, units=(5,))
    export_onnx(model, "~/network.onnx")
    compress_onnx("~/network.onnx", "~/small.onnx", "float16")
    assert check_onnx(model, "~/small.onnx", np.eye(4))["samples"] == 4


def test_a_stage_that_is_called_twice_has_no_outputs_of_its_own(tmp_path):
    x, stage = keras.Input((3, 4)), SpikingDense(4, name="shared")
    model = keras.Model(x, Readout(keras.layers.Dense(2))(stage(stage(x))), name="network")
    export_onnx(model, tmp_path / "network.onnx")
    stimuli = np.random.default_rng(0).uniform(0, 2, (5, 3, 4))
    assert list(check_onnx(model, tmp_path / "network.onnx", stimuli)["outputs"]) == ["scores"]
    message = "Each stage must be called once, .* several calls of 'shared' in 'network'. Make a stage for each"
    for record in (
        lambda: export_onnx(model, tmp_path / "network.onnx", outputs=("scores", "spikes")),
        lambda: keras_bsd.audit.spikes(model, stimuli),
        lambda: keras_bsd.audit.membranes(model, "shared", stimuli),
    ):
        with pytest.raises(ValueError, match=message):
            record()
