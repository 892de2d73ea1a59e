"""Time loops of exported files, with fewer operations for the same numbers."""

import collections

import keras
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import keras_bsd
from keras_bsd.export._simplify import simplify
from keras_bsd.layers import Readout, SpikingConv2D, SpikingDense, SpikingLIF

INT_CONSTANTS = {
    "one": [1],
    "time": [1],
    "from_0": [0, 0],
    "to_1": [2**31 - 1, 1],
    "from_1": [0, 1],
    "to_2": [2**31 - 1, 2],
    "axes": [0, 1],
    "ones": [1, 1],
}


def _neurons(nodes, inputs, outputs, **constants):
    """Return an ONNX model of nodes, given as (operation, inputs, output, attributes)."""
    named = {name: np.array(value, "int64") for name, value in INT_CONSTANTS.items()} | constants
    graph = helper.make_graph(
        [helper.make_node(op, i.split(), o.split(), f"n/{o}", **options) for op, i, o, options in nodes],
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, [None] * rank) for name, (kind, rank) in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in named.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model)
    return model


TWO_STEPS = [
    ("Slice", "currents from_0 to_1 axes ones", "a", {}),
    ("Squeeze", "a time", "first", {}),
    ("Slice", "currents from_1 to_2 axes ones", "b", {}),
    ("Squeeze", "b time", "second", {}),
]
LEAK = [
    ("Mul", "first leak", "left", {}),
    ("Add", "left second", "membrane", {}),
    ("Sub", "membrane threshold", "distance", {}),
    ("GreaterOrEqual", "distance zero", "reached", {}),
    ("Cast", "reached", "spikes", {"to": TensorProto.FLOAT}),
    ("Unsqueeze", "spikes time", "step", {}),
    ("Concat", "step step", "outputs", {"axis": 1}),
]
NUMBERS = {"leak": np.float32(0.5), "threshold": np.float32(0.6), "zero": np.float32(0)}


def _operations(model):
    return collections.Counter(node.op_type for node in model.graph.node)


def _run(model, **inputs):
    return ReferenceEvaluator(model).run(None, inputs)


def test_steps_are_split_at_once_and_neurons_keep_the_time_axis():
    model = _neurons(
        TWO_STEPS + LEAK, {"currents": ["batch", 2, 3]}, {"outputs": (TensorProto.FLOAT, 3)}, **NUMBERS
    )
    simplify(model)
    onnx.checker.check_model(model, full_check=True)
    assert _operations(model) == {
        **dict.fromkeys(("Split", "Mul", "Add", "GreaterOrEqual", "Cast", "Concat"), 1),
    }
    currents = np.array([[[1.0, 0.2, 0.0], [0.1, 0.4, 0.7]]], "float32")
    # The membranes are 0.6, 0.5 and 0.7; 0.5 + 0.1 is 0.6 in float32, which is the threshold.
    np.testing.assert_array_equal(_run(model, currents=currents)[0], [[[1, 0, 1], [1, 0, 1]]])


def test_maps_keep_four_axes():
    model = _neurons(
        TWO_STEPS + LEAK, {"currents": ["batch", 2, 4, 4, 3]}, {"outputs": (TensorProto.FLOAT, 5)}, **NUMBERS
    )
    simplify(model)
    assert _operations(model)["Squeeze"] == 2


def test_a_held_stimulus_is_not_repeated():
    hold = ("Add", "current zeros", "currents", {})
    zeros = np.zeros((1, 2, 1), "float32")
    inputs = {"current": ["batch", 1, 3]}
    model = _neurons(
        [hold, *TWO_STEPS, *LEAK], inputs, {"outputs": (TensorProto.FLOAT, 3)}, zeros=zeros, **NUMBERS
    )
    simplify(model)
    assert not {"Slice", "Split", "Squeeze"} & set(_operations(model))
    assert _operations(model)["Add"] == 1
    current = np.array([[[0.4, 0.3, 0.5]]], "float32")  # the membranes are 0.6, 0.45 and 0.75
    np.testing.assert_array_equal(_run(model, current=current)[0][0, 0], [1, 0, 1])


def test_a_step_that_is_an_output_or_meets_another_tensor_loses_its_time_axis():
    nodes = [*TWO_STEPS, ("Add", "first other", "both", {})]
    outputs = dict.fromkeys(("both", "second"), (TensorProto.FLOAT, 2))
    model = _neurons(nodes, {"currents": ["batch", 2, 3], "other": ["batch", 3]}, outputs)
    simplify(model)
    onnx.checker.check_model(model, full_check=True)
    currents = np.arange(6, dtype="float32").reshape(1, 2, 3)
    both, second = _run(model, currents=currents, other=np.ones((1, 3), "float32"))
    np.testing.assert_array_equal(both, [[1, 2, 3]])
    np.testing.assert_array_equal(second, [[3, 4, 5]])


@pytest.mark.parametrize("bounds", ["from_0 to_2", "from_1 to_1"])
def test_other_slices_stay(bounds):
    nodes = [("Slice", f"currents {bounds} axes ones", "outputs", {})]
    model = _neurons(nodes, {"currents": ["batch", 2, 3]}, {"outputs": (TensorProto.FLOAT, 3)})
    simplify(model)
    assert _operations(model) == {"Slice": 1}


def test_a_difference_that_is_compared_with_another_number_stays():
    nodes = [("Sub", "x threshold", "distance", {}), ("GreaterOrEqual", "distance leak", "outputs", {})]
    model = _neurons(nodes, {"x": ["batch", 3]}, {"outputs": (TensorProto.BOOL, 2)}, **NUMBERS)
    simplify(model)
    assert _operations(model) == {"Sub": 1, "GreaterOrEqual": 1}


def test_a_difference_of_integers_stays_as_it_may_wrap():
    nodes = [("Sub", "x least", "distance", {}), ("GreaterOrEqual", "distance whole_zero", "outputs", {})]
    constants = {"least": np.int32(1), "whole_zero": np.int32(0)}
    model = _neurons(nodes, {"x": ["batch", 3]}, {"outputs": (TensorProto.BOOL, 2)}, **constants)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
    x = np.array([[-(2**31), 0, 1]], "int32")
    (before,) = _run(model, x=x)
    simplify(model)
    np.testing.assert_array_equal(_run(model, x=x)[0], before)
    assert _operations(model) == {"Sub": 1, "GreaterOrEqual": 1}


def test_a_depth_is_a_scalar():
    nodes = [("OneHot", "x depth values", "outputs", {"axis": -1})]
    constants = {"depth": np.array([3], "int64"), "values": np.array([0, 1], "float32")}
    model = _neurons(nodes, {"x": ["batch"]}, {"outputs": (TensorProto.FLOAT, 2)}, **constants)
    simplify(model)
    (outputs,) = _run(model, x=np.array([2, 0], "float32"))
    np.testing.assert_array_equal(outputs, [[0, 0, 1], [1, 0, 0]])


def test_a_graph_with_branches_is_left_as_it_is():
    branch = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "branch",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None])],
    )
    nodes = [*TWO_STEPS[:2], ("If", "yes", "outputs", {"then_branch": branch, "else_branch": branch})]
    inputs = {"currents": ["batch", 2, 3], "x": ["batch"]}
    model = _neurons(nodes, inputs, {"outputs": (TensorProto.FLOAT, 1)}, yes=np.array(True))
    before = model.SerializeToString()
    simplify(model)
    assert model.SerializeToString() == before


def test_exported_neurons_take_few_operations_a_time_step(tmp_path):
    stage = SpikingDense(5, timesteps=3, neuron=SpikingLIF(beta=0.5), normalization=None)
    network = keras.Sequential([keras.Input((4,)), stage, Readout(keras.layers.Dense(2), "softmax")])
    keras_bsd.export.export_onnx(network, tmp_path / "network.onnx")
    operations = _operations(onnx.load(tmp_path / "network.onnx"))
    assert not {"Slice", "Squeeze"} & set(operations)
    assert operations["Unsqueeze"] <= 1
    assert operations["GreaterOrEqual"] == 3


@pytest.mark.parametrize("reset", ["hard", "soft", "none"])
def test_exported_files_spike_as_keras_does(tmp_path, reset):
    neuron = {"neuron": SpikingLIF(beta=0.7, reset=reset, refractory_steps=1)}
    layers = [
        SpikingConv2D(3, pool_size=2, timesteps=3, **neuron),
        SpikingDense(6, neuron=SpikingLIF(tau=2.0, reset=reset, granularity="neuron")),
        Readout(keras.layers.Dense(2), "softmax"),
    ]
    network = keras.Sequential([keras.Input((6, 6, 1)), *layers])
    keras_bsd.export.export_onnx(network, tmp_path / "network.onnx", outputs=("scores", "spikes"))
    x = np.random.default_rng(0).random((20, 6, 6, 1))
    report = keras_bsd.export.check_onnx(network, tmp_path / "network.onnx", x)
    assert all(entry.get("unexplained", 0) == 0 for entry in report["outputs"].values())
