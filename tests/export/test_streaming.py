import keras
import numpy as np
import onnx
import pytest
from keras import ops

import keras_bsd
from keras_bsd.export import check_onnx, export_onnx
from keras_bsd.export._parity import open_session
from keras_bsd.export._programs import OUTPUTS, whole
from keras_bsd.export._streaming import run, step
from keras_bsd.layers import CausalStandardization, Readout, SpikingDense, SpikingRecurrent, Stage
from tests.export.networks import NETWORKS, lively, mark_slow, stimuli

STREAMED = ["dense, decoder", "conv", "residual", "soft reset", "refractory", "series", "series of any length"]
STREAMED += ["tokens", "nested", "forecast", "characters", "no delays"]


@pytest.mark.parametrize("name", mark_slow(STREAMED, {"refractory", "series", "forecast"}))
def test_all_steps_equal_the_whole_network(name, exported):
    model, path = exported(name, streaming=True)
    report = check_onnx(model, path, stimuli(model, 20))["outputs"]
    assert report["scores"]["largest_difference"] <= 1e-4
    assert report["scores"].get("same", 1.0) == 1
    counts = [result for name, result in report.items() if name.startswith(("spike_counts", "spikes"))]
    assert counts
    assert all(result["unexplained"] == 0 for result in counts)
    assert sum(result["same"] for result in counts) >= 0.99 * len(counts)


def _run_in_keras(model, x):
    """Return the outputs of a streamed network, all its steps run by Keras."""
    program = step(model, OUTPUTS)
    states = {name: shape for name, (shape, _) in program.inputs.items() if name.startswith("state/")}

    def function(inputs):
        outputs = program.call({name: ops.convert_to_tensor(value) for name, value in inputs.items()})
        return {name: ops.convert_to_numpy(value) for name, value in outputs.items()}

    return run(function, states, model, x)


def _standardized_series():
    series = keras.Input((5, 4))
    standardized, _ = CausalStandardization(3)(series)
    return keras.Model(series, Readout(keras.layers.Dense(2))(SpikingDense(6)(standardized)))


@pytest.mark.parametrize(
    "make", [NETWORKS["conv"], NETWORKS["nested"], NETWORKS["no delays"], _standardized_series]
)
def test_all_steps_equal_the_whole_network_in_keras(make):
    """Both compute the same sums in the same order, so that not a single spike differs."""
    model = lively(make())
    x = stimuli(model, 20)
    outputs = _run_in_keras(model, x)
    expected = whole(model, OUTPUTS, x.shape[1]).call({"stimulus": ops.convert_to_tensor(x)})
    assert set(outputs) == set(expected)
    for name, values in expected.items():
        exact = name.startswith(("spike_counts", "spikes"))
        np.testing.assert_allclose(
            outputs[name], ops.convert_to_numpy(values), rtol=0, atol=0 if exact else 1e-5
        )


def test_inputs_and_outputs_of_a_step(exported):
    """Every state is an input and an output; a step has no time axis and no loop over time."""
    _, path = exported("refractory", streaming=True)
    states = {"first/membrane": (9,), "first/silence": (9,), "second/membrane": (8,), "second/silence": (8,)}
    states |= {"readout/steps": (), "readout/spikes": (8,)}
    session = open_session(path)
    inputs = {value.name: tuple(value.shape[1:]) for value in session.get_inputs()}
    assert inputs == {"stimulus": (4,), **{f"state/{name}": shape for name, shape in states.items()}}
    outputs = {value.name: tuple(value.shape[1:]) for value in session.get_outputs()}
    spikes = {f"spike_counts/{stage}": (n,) for stage, n in (("first", 9), ("second", 8))}
    spikes |= {f"spikes/{stage}": (1, n) for stage, n in (("first", 9), ("second", 8))}
    rates = {f"firing_rates/{stage}": () for stage in ("first", "second")}
    after = {f"next_state/{name}": shape for name, shape in states.items()}
    assert outputs == {"scores": (3,), **spikes, **rates, **after}
    comparisons = [node for node in onnx.load(path).graph.node if node.op_type == "GreaterOrEqual"]
    assert len(comparisons) == 2


@pytest.mark.slow
def test_elements_equal_those_of_a_streamer(exported):
    """A step of recurrent stages is an element."""
    model, path = exported("characters", streaming=True)
    session = open_session(path)
    inputs = {value.name: tuple(value.shape[1:]) for value in session.get_inputs()}
    states = {"recurrent_1/inputs": (1, 3), "recurrent_1/membrane": (9,), "recurrent_1/rates": (9,)}
    states |= {"recurrent_2/inputs": (1, 9), "recurrent_2/membrane": (8,), "recurrent_2/rates": (8,)}
    assert inputs == {"stimulus": (), **{f"state/{name}": shape for name, shape in states.items()}}
    names, streamer = [output.name for output in session.get_outputs()], keras_bsd.Streamer(model, classes=3)
    state = {f"state/{name}": np.zeros((1, *shape), "float32") for name, shape in states.items()}
    for character in np.array([0, 1, 2, 0, 2, 1, 1, 2, 0, 1], "int32"):
        outputs = dict(zip(names, session.run(None, {"stimulus": character[None], **state}), strict=True))
        np.testing.assert_allclose(outputs["scores"][0], streamer.push(character), atol=1e-5)
        state = {name: outputs["next_" + name] for name in state}


def test_scores_are_for_the_firing_rates_so_far(tmp_path):
    """One neuron by hand: a current of 0.5 spikes at every other step."""
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
        outputs = dict(zip(names, session.run(None, {"stimulus": stimulus, **state}), strict=True))
        scores.append(outputs.pop("scores")[:, 0])
        state = {name.removeprefix("next_"): value for name, value in outputs.items()}
    np.testing.assert_allclose(scores, [[0, 0], [1 / 2, 0], [1 / 3, 0], [1 / 2, 0]], atol=1e-6)


@pytest.mark.parametrize("name", ["changes of a series", "layers", "recurrent layer", "latency"])
def test_layers_that_use_several_steps(name, tmp_path):
    model = lively(NETWORKS[name]())
    layer = next(layer.name for layer in model.layers if not isinstance(layer, Stage))
    with pytest.raises(ValueError, match=f"cannot be streamed: .* besides stages the layers .*'{layer}'"):
        export_onnx(model, tmp_path / "step.onnx", streaming=True)
    assert not list(tmp_path.iterdir())


@keras.saving.register_keras_serializable()
class MeanReadout(Stage):
    """A stage that processes all time steps at once, and no single one."""

    def build(self, input_shape):
        self.synapse.build((None, *input_shape[2:]))
        super().build(input_shape)

    def call_local(self, inputs, training):
        return self.synapse(ops.mean(inputs, axis=1))


def _series_after_elements():
    recurrent = SpikingRecurrent(6, timesteps=2)
    return keras.Sequential([keras.Input((5, 4)), recurrent, SpikingDense(5), Readout(keras.layers.Dense(2))])


def _same_names():
    stage = SpikingDense(8, name="same")
    inner = keras.Sequential([keras.Input((3, 8)), SpikingDense(8, name="same")])
    return keras.Sequential([keras.Input((3, 4)), stage, inner, Readout(keras.layers.Dense(2))])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]),
            "must have spiking stages to be streamed.* Received: 'sequential",
        ),
        (
            lambda: keras.Sequential(
                [keras.Input((4,)), SpikingDense(3, timesteps=2), MeanReadout(keras.layers.Dense(2))]
            ),
            "cannot be streamed",
        ),
        (_series_after_elements, "cannot be streamed"),
        (_same_names, r"stages of different names .* Received: several stages of the names \['same'\]"),
    ],
)
def test_networks_that_cannot_be_streamed(make, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_onnx(lively(make()), tmp_path / "step.onnx", streaming=True)
    assert not list(tmp_path.iterdir())
