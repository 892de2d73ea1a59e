import json

import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd.audit import plausibility
from keras_bsd.layers import Readout, SpikingStage
from tests.audit import broken
from tests.models import pairs

FAULTS = {
    broken.shared_weight: {
        "C1": "kernel belongs to both networks",
        "C2": "the update of .* in stage .* is not made of what is there",
    },
    broken.copied_weight: {"C1": r"'upper' and 'lower_back' hold the same weights \(cosine \+1.0000\)"},
    broken.missing_stop_gradient: {
        "C2": r"the loss of stage 'upper' reaches .*lower.* of another stage",
        "C5": "the loss of stage 'upper' sends a gradient to other stages",
    },
    broken.analogue_between_stages: {"C4": "into encoder stage 'upper' is not 0 or 1 only.* 0.5$"},
    broken.analogue_held_between_stages: {"C4": "into encoder stage 'upper' is not 0 or 1 only"},
    broken.signed_between_stages: {
        "C4": "into encoder stage 'upper' is not 0 or 1 only",
        "C5": "into encoder stage 'upper' is negative, down to -1",
    },
    broken.two_phases: {"C3": "encoder stage 'lower' runs 2 times in a training step"},
    broken.waiting_decoder: {"C3": "the decoder's spikes depend on those of the encoder: it waits for them"},
    broken.foreign_error: {"C2": "the update of 'dense.*' in stage 'lower' is not made of what is there"},
}


@pytest.mark.parametrize("make", FAULTS)
def test_finds_the_planted_fault_and_no_other(make):
    report = plausibility(make(), *broken.batch())
    found = {name: criterion.faults for name, criterion in report.criteria.items() if criterion.faults}
    assert list(found) == list(FAULTS[make])
    for name, text in FAULTS[make].items():
        with pytest.raises(AssertionError, match=text):
            report.require(name)
    report.require(*(set(report.criteria) - set(found)))


SHIPPED = {
    "mlp": lambda **kwargs: keras_bsd.applications.SpikingMLP((4,), 3, 3, units=(6, 5), **kwargs),
    "conv": lambda **kwargs: keras_bsd.applications.SpikingConvNet(
        (6, 5, 1), 3, 2, filters=(3, 4), pool_sizes=(2, 1), **kwargs
    ),
    "resnet": pairs.residual_pair,
    "own layers": pairs.own_layers_pair,
    "regression": pairs.regression_pair,
    "local readouts": lambda: pairs.conv_pair(local_readout_weight=1.0),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_pairs_hold_with_the_documented_reservations(name):
    model = SHIPPED[name]()
    model.compile()
    before = [np.array(ops.convert_to_numpy(variable)) for variable in model.variables]
    report = plausibility(model, *pairs.samples(model))
    report.require()
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)
    assert {name for name, c in report.criteria.items() if c.reservations} >= {"C2", "C4", "C5"}
    assert report.criteria["C3"].verdict == "holds"
    assert set(report.criteria["C3"].measured["runs"].values()) == {1}
    for row in report.criteria["C2"].measured["losses"]:
        assert row["foreign"] == 0
    with pytest.raises(AssertionError, match=r"C2, each synapse .*: a stage's loss compares a sample with"):
        report.require("C2", without_reservations=True)


def test_local_readouts_are_a_reservation():
    for weight in (0.0, 1.0):
        model = pairs.dense_pair(local_readout_weight=weight)
        model.compile()
        criteria = plausibility(model, *pairs.samples(model)).criteria
        named = [any("local readout" in text for text in criteria[name].reservations) for name in ("C1", "C5")]
        assert named == [bool(weight)] * 2
        assert any(
            "not made anew" in text and "readout" in text for text in criteria["C2"].reservations
        ) == bool(weight)


@pytest.mark.parametrize(("rule", "presynaptic"), [("rate", "rates"), ("surrogate", "spikes")])
def test_what_updates_are_made_of(rule, presynaptic):
    model = pairs.dense_pair(rule=rule)
    model.compile()
    locality = plausibility(model, *pairs.samples(model)).criteria["C2"]
    made_of = {update["stage"]: update["presynaptic"] for update in locality.measured["updates"]}
    assert made_of["first"] == made_of["third_mirror"] == "stimulus"
    assert made_of["second"] == made_of["third"] == made_of["second_mirror"] == presynaptic
    assert made_of[model.encoder.layers[-1].name] == made_of["stimulus"] == "rates"
    told = any("spikes and errors of every time step" in text for text in locality.reservations)
    assert told == (rule == "surrogate")


def test_layers_between_input_and_kernel_are_told():
    stage = SpikingStage([keras.layers.Dense(5), keras.layers.ReLU(), keras.layers.Dense(6)], timesteps=2)
    encoder = keras.Sequential([keras.Input((4,)), stage, Readout(keras.layers.Dense(3), "softmax")])
    decoder = [SpikingStage(keras.layers.Dense(6), timesteps=2), Readout(keras.layers.Dense(4))]
    model = keras_bsd.BSDModel(encoder, keras.Sequential([keras.Input((3,)), *decoder]))
    model.compile()
    report = plausibility(model, *pairs.samples(model))
    report.require()
    told = f"neither the stage's input nor its mean over time, but what is made of it in {stage.name}"
    assert any(told in text for text in report.criteria["C2"].reservations)


def test_kernels_outside_a_synapse_are_told():
    class Gated(SpikingStage):
        def build(self, input_shape):
            super().build(input_shape)
            self.gate = self.add_weight(shape=(6, 6), initializer="identity", name="gate")

        def remaining_part(self, weighed, training):
            return super().remaining_part(ops.matmul(weighed, self.gate), training)

    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            Gated(keras.layers.Dense(6), timesteps=2, name="gated"),
            Readout(keras.layers.Dense(3), "softmax"),
        ]
    )
    decoder = [SpikingStage(keras.layers.Dense(6), timesteps=2), Readout(keras.layers.Dense(4))]
    model = keras_bsd.BSDModel(encoder, keras.Sequential([keras.Input((3,)), *decoder]))
    model.compile()
    criteria = plausibility(model, *pairs.samples(model)).criteria
    assert any("gated/gate: outside the synapse" in text for text in criteria["C1"].reservations)
    (told,) = (text for text in criteria["C2"].reservations if text.startswith("not made anew"))
    assert told.endswith("gated/gate, outside the synapses of stages")


def test_tiny_kernels_are_not_taken_for_one():
    encoder = keras.Sequential(
        [
            keras.Input((1,)),
            SpikingStage(keras.layers.Dense(1), timesteps=3),
            Readout(keras.layers.Dense(2), "softmax"),
        ]
    )
    decoder = [SpikingStage(keras.layers.Dense(1), timesteps=3), Readout(keras.layers.Dense(1))]
    model = keras_bsd.BSDModel(encoder, keras.Sequential([keras.Input((2,)), *decoder]))
    model.compile()
    report = plausibility(model, [[0.5], [1.0]], [0, 1])
    assert abs(report.criteria["C1"].measured["twins"][0]["cosines"][0]) == pytest.approx(1)
    report.require("C1")


def test_paper_configuration_compares_samples_with_each_other():
    model = SHIPPED["mlp"](**keras_bsd.paper_configuration())
    model.compile()
    report = plausibility(model, *pairs.samples(model))
    report.require()
    assert any("the other samples of the batch" in text for text in report.criteria["C2"].reservations)
    assert report.criteria["C4"].verdict == "holds with reservations"


def test_tells_whether_the_model_has_been_trained():
    model = pairs.dense_pair()
    model.compile()
    x, y = pairs.samples(model)
    before = plausibility(model, x, y)
    assert not before.trained
    assert "no step yet" in str(before)
    model.fit(x, y, epochs=2, verbose=0)
    after = plausibility(model, x, y)
    assert after.trained
    assert "no step yet" not in str(after)
    assert int(model.optimizer.iterations) == 2


def test_can_be_read_by_people_and_machines():
    report = plausibility(broken.analogue_between_stages(), *broken.batch())
    kept = json.loads(json.dumps(report.to_dict()))
    assert kept["samples"] == 12
    assert kept["criteria"]["C4"]["verdict"] == "fails"
    lines = str(report).splitlines()
    assert any(line.startswith("C3") and line.endswith("holds") for line in lines)
    assert any(line.startswith("C4") and line.endswith("fails") for line in lines)
    assert any(line.startswith("- C4: what goes into encoder stage 'upper'") for line in lines)


def test_bad_input():
    model = pairs.dense_pair()
    x, y = pairs.samples(model)
    with pytest.raises(ValueError, match=r"Compile 'bsd_model.*' first"):
        plausibility(model, x, y)
    model.compile()
    with pytest.raises(ValueError, match=r"a keras_bsd.BSDModel.* Received: model=<Sequential"):
        plausibility(model.encoder, x, y)
    with pytest.raises(ValueError, match=r"shape \(batch, 4\).*Received: shapes \(12, 3\) and \(12,\)"):
        plausibility(model, x[:, :3], y)
    with pytest.raises(ValueError, match=r"Received: shapes \(12, 4\) and \(5,\)"):
        plausibility(model, x, y[:5])
    for count in (0, 1):
        with pytest.raises(ValueError, match=f"Give two samples at least.* Received: {count} samples"):
            plausibility(model, x[:count], y[:count])
    report = plausibility(model, x, y)
    with pytest.raises(ValueError, match=r"Unknown `criterion`.*'C5'. Received: criterion='C6'"):
        report.require("C6")


def test_an_interrupted_audit_leaves_the_layers_as_they_were(monkeypatch):
    model = pairs.dense_pair()
    model.compile()
    monkeypatch.setattr(type(model), "distil", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        plausibility(model, *pairs.samples(model))
    assert not any("call" in stage.__dict__ for stage in model.encoder_stages)
