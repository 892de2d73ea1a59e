import json

import keras
import numpy as np
import onnx
import pytest

import keras_bsd
from keras_bsd.applications import _presets as presets
from keras_bsd.export import check_onnx, export_onnx
from keras_bsd.export._programs import OUTPUTS
from keras_bsd.layers import Readout, SpikingDense, SpikingLIF, SpikingStage, flatten_stages
from tests.export.networks import NETWORKS, length, lively, stimuli
from tests.models import pairs


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.onnx"


def _metadata(path):
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_leaves_computes_what_keras_computes(name, path):
    model = lively(NETWORKS[name]())
    export_onnx(model, path, outputs=OUTPUTS, length=length(model))
    report = check_onnx(model, path, stimuli(model, 264))
    stages = [stage.name for stage in flatten_stages(model, keras_bsd.layers.SpikingStage)]
    kinds = [f"{kind}/{stage}" for kind in OUTPUTS[1:] for stage in stages]
    assert set(report["outputs"]) == {"scores", *kinds}
    scores = report["outputs"]["scores"]
    assert scores.get("same", 1.0) == 1.0
    assert scores["largest_difference"] <= 1e-4
    for kind in kinds:
        found = report["outputs"][kind]
        assert found.get("unexplained", 0) == 0
        assert found["largest_difference"] <= 1e-5 or found["near_threshold"] > 0


@pytest.mark.parametrize("name", presets.names())
def test_presets(name, path):
    model = getattr(keras_bsd.applications, presets.record(name)["application"])(weights=name)
    export_onnx(model, path, labels=name, length=length(model.encoder))
    report = check_onnx(model, path, stimuli(model.encoder, 9) / 2)
    assert report["outputs"]["scores"]["largest_difference"] <= 1e-4
    assert json.loads(_metadata(path)["preset"]) == name
    known = presets.record(name)
    labels = known["labels"] if known["task"] in ("recognition", "text") else []
    assert json.loads(_metadata(path).get("labels", "[]")) == labels


@pytest.mark.parametrize("name", ["dense", "conv"])
def test_products(name, path):
    """One for each weight, over all time steps together, and none repeated for a held stimulus."""
    model = NETWORKS[name]()
    export_onnx(model, path)
    proto = onnx.load(path)
    products = [node for node in proto.graph.node if node.op_type in ("MatMul", "Gemm", "Conv")]
    kernels = [weight for weight in model.weights if "kernel" in weight.path]
    assert len(products) == len(kernels)
    sizes = {value.name: value.dims for value in proto.graph.initializer}
    assert all(any(name in sizes for name in product.input) for product in products)
    repeats = [i for i, node in enumerate(proto.graph.node) if node.op_type == "Expand"]
    first = next(i for i, node in enumerate(proto.graph.node) if node in products)
    assert first < min(repeats)


def test_a_pair_exports_its_encoder(path):
    pair = pairs.dense_pair()
    lively(pair.encoder)
    export_onnx(pair, path)
    x = stimuli(pair.encoder, 3)
    report = check_onnx(pair, path, x)
    assert report["outputs"]["scores"]["largest_difference"] < 1e-6
    assert [value.name for value in onnx.load(path).graph.input] == ["stimulus"]


def test_outputs_have_values(path):
    """By hand: a current of 0.5 takes a neuron with leak 0.5 over 0.6 at every other step."""
    model = keras.Sequential(
        [
            keras.Input((1,)),
            SpikingStage(keras.layers.Dense(1, kernel_initializer="ones"), timesteps=6, name="only"),
            Readout(keras.layers.Dense(1, kernel_initializer="ones")),
        ]
    )
    export_onnx(model, path, outputs=OUTPUTS)
    session = keras_bsd.export._parity.open_session(path)
    names = ["scores", *(f"{kind}/only" for kind in ("spikes", "spike_counts", "firing_rates"))]
    given = session.run(names, {"stimulus": np.array([[0.5], [0.7], [0.1]], "float32")})
    scores, spikes, counts, rates = given
    np.testing.assert_array_equal(spikes[..., 0], [[0, 1, 0, 1, 0, 1], [1] * 6, [0] * 6])
    np.testing.assert_array_equal(counts, [[3], [6], [0]])
    np.testing.assert_allclose(rates, [0.5, 1, 0])
    np.testing.assert_allclose(scores, [[0.5], [1], [0]])


def test_metadata(path):
    model = NETWORKS["soft reset"]()
    export_onnx(model, path, labels=["a", "b", "c"], preprocess=(0, [1, 2, 3, 255]))
    stored = {key: json.loads(value) for key, value in _metadata(path).items()}
    assert stored == {
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


def test_metadata_of_a_preset(path):
    export_onnx(keras_bsd.applications.SpikingMLP((4,), 10, units=(5,)), path, labels="mnist_dense", opset=13)
    proto = onnx.load(path)
    stored = _metadata(path)
    assert json.loads(stored["preset"]) == "mnist_dense"
    assert json.loads(stored["labels"]) == [str(digit) for digit in range(10)]
    assert "preprocess" not in stored
    assert proto.opset_import[0].version == 13


def _stateful():
    stage = SpikingDense(3, neuron=SpikingLIF(stateful=True), timesteps=2, name="carrying")
    return keras.Sequential([keras.Input(batch_shape=(2, 4)), stage, Readout(keras.layers.Dense(2))])


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
        (_stateful, "Layer 'carrying' cannot be exported: it changes its state at inference"),
        (lambda: pairs.own_layers_pair().decoder, "Layer 'poisson_encoder.*' cannot .*: it changes its state"),
        (
            lambda: NETWORKS["characters"](),
            r"`length` is wanted .* any length, .* length=None, a network that takes \(None,\)",
        ),
        (_half, "float32. Received: layer 'half', which computes in bfloat16. Load the weights"),
        (_odd, "Layer 'odd_stage' cannot be exported: tf2onnx finds nothing in ONNX for its Erfinv"),
    ],
)
def test_what_cannot_be_exported(model, message, path):
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match=message):
        export_onnx(model(), path)
    assert path.read_bytes() == b"before"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outputs": "score"}, "Unknown `outputs`: choose one of 'scores'.* Received: outputs='score'"),
        ({"outputs": ()}, "Unknown `outputs`"),
        ({"opset": 12}, "Unknown `opset`: choose one of 13, .*18. Received: opset=12"),
        ({"labels": ["a"]}, "one for each of the network's 3 scores. Received: 1 labels"),
        ({"labels": "mnist"}, "Unknown preset; there are"),
        ({"preprocess": 255}, "must be a pair .* Received: preprocess=255"),
        ({"preprocess": (0, 0)}, "none to divide by zero"),
        ({"preprocess": (0, [1, 2])}, "or of sequences of 4 of them"),
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
        ("folder.onnx", r"must be that of a file"),
        ("file/network.onnx", r"folder that can be written to\. Received: .*file' is a file"),
    ):
        with pytest.raises(ValueError, match=message):
            export_onnx(pairs.dense_encoder(), tmp_path / name)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.onnx"]
