import json

import keras
import numpy as np
import onnx
import pytest

import keras_bsd
from keras_bsd.applications import _presets as presets
from keras_bsd.export import check_onnx, export_onnx
from keras_bsd.export._parity import open_session
from keras_bsd.export._programs import OUTPUTS
from keras_bsd.layers import (
    Readout,
    SequenceReadout,
    SpikingDense,
    SpikingLIF,
    SpikingRecurrent,
    SpikingStage,
    flatten_stages,
)
from tests.export.networks import NETWORKS, length, mark_slow, stimuli
from tests.models import pairs


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.onnx"


def _metadata(path):
    return {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props}


@pytest.mark.parametrize("name", mark_slow(NETWORKS, {"conv", "refractory", "no delays"}))
def test_a_file_computes_what_keras_computes(name, exported):
    model, path = exported(name)
    report = check_onnx(model, path, stimuli(model, 264))
    stages = [stage.name for stage in flatten_stages(model, SpikingStage)]
    kinds = [f"{kind}/{stage}" for kind in OUTPUTS[1:] for stage in stages]
    assert set(report["outputs"]) == {"scores", *kinds}
    scores = report["outputs"]["scores"]
    assert scores.get("same", 1.0) == 1.0
    assert scores["largest_difference"] <= 1e-4
    for kind in kinds:
        result = report["outputs"][kind]
        assert result.get("unexplained", 0) == 0
        assert result["largest_difference"] <= 1e-5 or result["near_threshold"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", presets.names())
def test_presets(name, path):
    model = getattr(keras_bsd.applications, presets.record(name)["application"])(weights=name)
    export_onnx(model, path, labels=name, length=length(model.encoder))
    x = stimuli(model.encoder, 9)
    report = check_onnx(model, path, x if x.dtype.kind == "i" else x / 2)
    assert report["outputs"]["scores"]["largest_difference"] <= 1e-4
    assert _metadata(path)["preset"] == name
    record = presets.record(name)
    labels = record["labels"] if record["task"] in ("recognition", "text") else []
    assert _metadata(path).get("labels", []) == labels


@pytest.mark.parametrize("name", mark_slow(["dense", "refractory", "conv"], {"refractory", "conv"}))
def test_products(name, exported):
    """One for each weight, over all time steps together, and none repeated for a held stimulus."""
    model, path = exported(name)
    proto = onnx.load(path)
    products = [node for node in proto.graph.node if node.op_type in ("MatMul", "Gemm", "Conv")]
    kernels = [weight for weight in model.weights if "kernel" in weight.path]
    assert len(products) == len(kernels)
    sizes = {value.name: value.dims for value in proto.graph.initializer}
    assert all(any(name in sizes for name in product.input) for product in products)


@pytest.mark.parametrize("name", mark_slow(["dense", "conv", "soft reset"], {"conv"}))
def test_a_held_stimulus_needs_no_shapes_at_inference(name, exported):
    _, path = exported(name)
    graph = onnx.load(path).graph
    assert not {"Shape", "Expand", "Tile", "ConstantOfShape"} & {node.op_type for node in graph.node}
    sizes = [axis for value in graph.output for axis in value.type.tensor_type.shape.dim]
    assert {axis.dim_param for axis in sizes} == {"batch", ""}


def test_time_steps_of_recurrent_spikes_are_known(tmp_path):
    model = keras.Sequential([keras.Input((5, 4)), SpikingRecurrent(3, timesteps=2, name="loop"), _last()])
    export_onnx(model, tmp_path / "network.onnx", outputs=("scores", "spikes"))
    spikes = onnx.load(tmp_path / "network.onnx").graph.output[1]
    assert [axis.dim_value or axis.dim_param for axis in spikes.type.tensor_type.shape.dim] == ["batch", 10, 3]


def _last():
    return SequenceReadout(keras.layers.Dense(2), targets="last")


@pytest.fixture(scope="module")
def pair_file(tmp_path_factory):
    """A pair and its file, with the labels of a preset, in the oldest opset."""
    keras.utils.set_random_seed(1234)
    path = tmp_path_factory.mktemp("pair") / "network.onnx"
    pair = keras_bsd.applications.SpikingMLP((4,), 10, units=(5,))
    export_onnx(pair, path, labels="mnist_dense", opset=13)
    return pair, path


def test_the_file_of_a_pair_is_its_encoder(pair_file):
    pair, path = pair_file
    report = check_onnx(pair, path, stimuli(pair.encoder, 3) / 2)
    assert report["outputs"]["scores"]["largest_difference"] < 1e-6
    assert [value.name for value in onnx.load(path).graph.input] == ["stimulus"]


def test_metadata_of_a_preset(pair_file):
    _, path = pair_file
    metadata = _metadata(path)
    assert metadata["preset"] == "mnist_dense"
    assert metadata["labels"] == [str(digit) for digit in range(10)]
    assert "preprocess" not in metadata
    assert metadata["stimulus_range"] == [0, 1]
    assert onnx.load(path).opset_import[0].version == 13


def test_metadata(exported):
    _, path = exported("refractory")
    assert _metadata(path) == {
        "labels": ["a", "b", "c"],
        "preprocess": [0.0, [1.0, 2.0, 3.0, 255.0]],
        "timesteps": 6,
        "thresholds": {"first": 0.6, "second": 0.6},
        "streaming": False,
        "keras_bsd": keras_bsd.__version__,
    }
    proto = onnx.load(path)
    assert proto.opset_import[0].version == 18
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.fixture(scope="module")
def one_neuron(tmp_path_factory):
    """The file of one neuron, with the labels of a preset that predicts values."""
    path = tmp_path_factory.mktemp("one_neuron") / "network.onnx"
    dense = [keras.layers.Dense(1, kernel_initializer="ones") for _ in range(2)]
    stage = SpikingStage(dense[0], timesteps=6, name="only")
    export_onnx(
        keras.Sequential([keras.Input((1,)), stage, Readout(dense[1])]),
        path,
        outputs=OUTPUTS,
        labels="etth1_hourly",
    )
    return path


def test_values_of_outputs(one_neuron):
    """By hand: the membrane of a neuron with leak 0.5 reaches 0.6 at every other step of a current of 0.5."""
    names = ["scores", *(f"{kind}/only" for kind in ("spikes", "spike_counts", "firing_rates"))]
    stimulus = np.array([[0.5], [0.7], [0.1]], "float32")
    scores, spikes, counts, rates = open_session(one_neuron).run(names, {"stimulus": stimulus})
    np.testing.assert_array_equal(spikes[..., 0], [[0, 1, 0, 1, 0, 1], [1] * 6, [0] * 6])
    np.testing.assert_array_equal(counts, [[3], [6], [0]])
    np.testing.assert_allclose(rates, [0.5, 1, 0])
    np.testing.assert_allclose(scores, [[0.5], [1], [0]])


def test_shapes_of_outputs(one_neuron):
    shapes = {output.name: output.shape for output in open_session(one_neuron).get_outputs()}
    assert shapes == {
        "scores": ["batch", 1],
        "spikes/only": ["batch", 6, 1],
        "spike_counts/only": ["batch", 1],
        "firing_rates/only": ["batch"],
    }


def test_a_preset_without_classes_has_no_labels(one_neuron):
    metadata = _metadata(one_neuron)
    assert metadata["preset"] == "etth1_hourly"
    assert "labels" not in metadata


def _stateful():
    stage = SpikingDense(3, neuron=SpikingLIF(stateful=True), timesteps=2, name="carrying")
    return keras.Sequential([keras.Input(batch_shape=(2, 4)), stage, Readout(keras.layers.Dense(2))])


def test_a_stateful_network_is_not_streamed(path):
    series = keras.Sequential(
        [keras.Input(batch_shape=(2, 5, 4)), SpikingDense(3, neuron=SpikingLIF(stateful=True))]
    )
    with pytest.raises(ValueError, match=r"carry their state .* `streaming=True` has the states as inputs and"):
        export_onnx(series, path, streaming=True)
    assert not path.exists()


def _two_inputs():
    inputs = [keras.Input((4,)), keras.Input((4,))]
    return keras.Model(inputs, keras.layers.Add()(inputs))


def _half():
    return keras.Sequential(
        [keras.Input((4,)), SpikingDense(3, timesteps=2, name="half", dtype="mixed_bfloat16")]
    )


@keras.saving.register_keras_serializable()
class InverseErrorFunction(keras.layers.Layer):
    def call(self, inputs):
        return keras.ops.erfinv(inputs)


def _odd():
    synapse = [keras.layers.Dense(3), InverseErrorFunction()]
    return keras.Sequential([keras.Input((4,)), SpikingStage(synapse, timesteps=2, name="odd_stage")])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: keras.Sequential([SpikingDense(3)]), "built Sequential or functional .* Received: model=<Seq"),
        (lambda: "model", "must be a BSDModel or a built .* Received: model='model'"),
        (_two_inputs, "one input and one output. Received: 2 inputs and 1 outputs"),
        (_stateful, "Layer 'carrying' cannot be exported: its neurons carry .*stateful=True.*stateful=False"),
        (lambda: pairs.own_layers_pair().decoder, "Layer 'poisson_encoder.*' cannot .*: it changes its state"),
        (
            lambda: NETWORKS["characters"](),
            r"`length` must be given .* length=None, a network with inputs \(None,\), streaming=False",
        ),
        (_half, "float32. Received: layer 'half', which computes in bfloat16. Load the weights"),
        (_odd, "Layer 'odd_stage' cannot be exported: tf2onnx cannot convert its operation Erfinv"),
    ],
)
def test_models_that_cannot_be_exported(model, message, path):
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match=message):
        export_onnx(model(), path)
    assert path.read_bytes() == b"before"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outputs": "score"}, "Unknown `outputs`: choose one of 'scores'.* Received: outputs='score'"),
        ({"outputs": ()}, r"`outputs` must be one or several of scores, .* Received: outputs=\(\)"),
        ({"outputs": None}, "Received: outputs=None"),
        ({"opset": 12}, "Unknown `opset`: choose one of 13, .*18. Received: opset=12"),
        ({"length": 3}, r"Received: length=3, a network with inputs \(4,\), streaming=False"),
        ({"labels": ["a"]}, "one label for each of the network's 3 scores. Received: 1 labels"),
        ({"labels": "mnist"}, "Unknown preset"),
        ({"labels": 3}, "`labels` must be a preset, or a sequence .* Received: labels=3"),
        ({"preprocess": 255}, "must be a pair .* Received: preprocess=255"),
        ({"preprocess": (0, 0)}, "without zeros in `divide`"),
        ({"preprocess": (0, [1, 2])}, "or of sequences of 4 finite numbers"),
        ({"preprocess": (float("nan"), 1)}, "of finite numbers"),
    ],
)
def test_bad_arguments(arguments, message, path):
    with pytest.raises(ValueError, match=message):
        export_onnx(pairs.dense_encoder(), path, **arguments)
    assert not list(path.parent.iterdir())


def test_bad_paths(tmp_path):
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").write_text("")
    for name, message in (
        ("network.keras", r"ending in \.onnx\. Received: .*network\.keras'"),
        ("folder.onnx", r"must be the path of a file"),
        ("file/network.onnx", r"folder that can be written to\. Received: .*file' is a file"),
    ):
        with pytest.raises(ValueError, match=message):
            export_onnx(pairs.dense_encoder(), tmp_path / name)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.onnx"]
