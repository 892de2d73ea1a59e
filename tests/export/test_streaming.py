import keras
import numpy as np
import onnx
import pytest

from keras_bsd.export import check_onnx, export_onnx
from keras_bsd.export._parity import open_session
from keras_bsd.export._programs import OUTPUTS
from keras_bsd.layers import Readout, SpikingDense, Stage
from tests.export.networks import NETWORKS, lively, stimuli
from tests.models import pairs

RECURRENT = ["forecast", "characters", "no delays"]
STREAMED = ["dense, decoder", "conv", "residual", "soft reset", "refractory", "series", "series of any length"]
STREAMED += ["tokens", "nested", *RECURRENT]


@pytest.mark.parametrize("name", STREAMED)
def test_steps_give_what_the_whole_network_gives(name, tmp_path):
    model, path = lively(NETWORKS[name]()), tmp_path / "step.onnx"
    export_onnx(model, path, outputs=OUTPUTS, streaming=True)
    report = check_onnx(model, path, stimuli(model, 20))["outputs"]
    assert report["scores"]["largest_difference"] <= 1e-4
    assert report["scores"].get("same", 1.0) == 1
    counts = [found for name, found in report.items() if name.startswith(("spike_counts", "spikes"))]
    assert counts
    assert all(found["unexplained"] == 0 for found in counts)
    assert sum(found["same"] for found in counts) >= 0.99 * len(counts)


def test_a_step(tmp_path):
    """Every state goes in and comes out; a step has no time axis and no loop over time."""
    model, path = lively(NETWORKS["refractory"]()), tmp_path / "step.onnx"
    export_onnx(model, path, streaming=True)
    states = {"first/membrane": (9,), "first/silence": (9,), "second/membrane": (8,), "second/silence": (8,)}
    states |= {"readout/steps": (), "readout/spikes": (8,)}
    session = open_session(path)
    inputs = {value.name: tuple(value.shape[1:]) for value in session.get_inputs()}
    assert inputs == {"stimulus": (4,), **{f"state/{name}": shape for name, shape in states.items()}}
    outputs = {value.name: tuple(value.shape[1:]) for value in session.get_outputs()}
    assert outputs == {"scores": (3,), **{f"next_state/{name}": shape for name, shape in states.items()}}
    comparisons = [node for node in onnx.load(path).graph.node if node.op_type == "GreaterOrEqual"]
    assert len(comparisons) == 2


def test_an_element(tmp_path):
    """Of recurrent stages a step is an element, and what it gives is what a stream in Keras gives."""
    pair, path = pairs.character_pair(), tmp_path / "step.onnx"
    lively(pair.encoder)
    export_onnx(pair, path, streaming=True)
    session = open_session(path)
    inputs = {value.name: tuple(value.shape[1:]) for value in session.get_inputs()}
    states = {"recurrent_1/inputs": (1, 3), "recurrent_1/membrane": (9,), "recurrent_1/spikes": (3, 9)}
    states |= {"recurrent_2/inputs": (1, 9), "recurrent_2/membrane": (8,), "recurrent_2/spikes": (3, 8)}
    assert inputs == {"stimulus": (), **{f"state/{name}": shape for name, shape in states.items()}}
    names, stream = [output.name for output in session.get_outputs()], pair.streamer()
    state = {f"state/{name}": np.zeros((1, *shape), "float32") for name, shape in states.items()}
    for character in pair.encode("abcacbbcab"):
        given = dict(zip(names, session.run(None, {"stimulus": character[None], **state}), strict=True))
        np.testing.assert_allclose(given["scores"][0], stream.push(character), atol=1e-5)
        state = {name: given["next_" + name] for name in state}


def test_scores_are_those_so_far(tmp_path):
    """Of one neuron by hand: a current of 0.5 spikes at every other step."""
    model = keras.Sequential(
        [
            keras.Input((1,)),
            SpikingDense(1, normalization=None, timesteps=4, name="only"),
            Readout(keras.layers.Dense(1)),
        ]
    )
    model.set_weights([np.ones((1, 1)), np.zeros(1), np.ones((1, 1)), np.zeros(1)])
    export_onnx(model, tmp_path / "step.onnx", streaming=True)
    session = open_session(tmp_path / "step.onnx")
    names = [output.name for output in session.get_outputs()]
    state = {value.name: np.zeros([2, *value.shape[1:]], "float32") for value in session.get_inputs()[1:]}
    scores = []
    for _ in range(4):
        stimulus = np.array([[0.5], [0.1]], "float32")
        given = dict(zip(names, session.run(None, {"stimulus": stimulus, **state}), strict=True))
        scores.append(given.pop("scores")[:, 0])
        state = {name.removeprefix("next_"): value for name, value in given.items()}
    np.testing.assert_allclose(scores, [[0, 0], [1 / 2, 0], [1 / 3, 0], [1 / 2, 0]], atol=1e-6)


@pytest.mark.parametrize("name", ["changes of a series", "layers", "recurrent layer", "latency"])
def test_layers_that_look_at_several_steps(name, tmp_path):
    model = lively(NETWORKS[name]())
    layer = next(layer.name for layer in model.layers if not isinstance(layer, Stage))
    with pytest.raises(ValueError, match=f"cannot be streamed: .* besides stages the layers .*'{layer}'"):
        export_onnx(model, tmp_path / "step.onnx", streaming=True)
    assert not list(tmp_path.iterdir())


def test_a_network_without_spikes(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="without spiking stages has no time steps"):
        export_onnx(model, tmp_path / "step.onnx", streaming=True)
