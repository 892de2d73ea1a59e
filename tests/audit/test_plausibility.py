import json

import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd.audit import Criterion, PlausibilityReport, plausibility
from keras_bsd.layers import Readout, SpikingStage
from tests.audit import broken
from tests.models import pairs

FAULTS = {
    broken.shared_weight: {
        "C1": "kernel belongs to both networks",
        "C2": "the update of .* in stage .* is not presynaptic rate x local error: relative difference ",
    },
    broken.copied_weight: {"C1": r"'upper' and 'lower_back' hold the same weights \(cosine \+1.0000\)"},
    broken.missing_stop_gradient: {  # what is left is backpropagation
        "C1": "errors of later stages reach 'lower' through the transposed feedforward weights",
        "C2": r"the loss of stage 'upper' reaches .*lower.* of another stage",
        "C3": "the updates of encoder stages 'lower' depend on later stages: they wait for them",
        "C4": "the errors that later stages send to 'lower' are analogue",
        "C5": "the loss of stage 'upper' sends a gradient to other stages",
    },
    broken.analogue_between_stages: {"C4": "the input of encoder stage 'upper' is not 0 or 1 only.* 0.5$"},
    broken.analogue_held_between_stages: {"C4": "the input of encoder stage 'upper' is not 0 or 1 only"},
    broken.signed_between_stages: {
        "C4": "the input of encoder stage 'upper' is not 0 or 1 only",
        "C5": "the input of encoder stage 'upper' is negative, down to -1",
    },
    broken.two_phases: {"C3": "encoder stage 'lower' runs 2 times in a training step"},
    broken.waiting_decoder: {"C3": "the decoder's spikes depend on those of the encoder: it waits for them"},
    broken.foreign_error: {
        "C2": "the update of 'dense.*' in stage 'lower' is not presynaptic rate x local error"
    },
}
# The others break the same criteria in a second way.
FAST_FAULTS = {
    broken.copied_weight,
    broken.missing_stop_gradient,
    broken.signed_between_stages,
    broken.waiting_decoder,
    broken.foreign_error,
}


def mark_slow(cases, fast):
    return [case if case in fast else pytest.param(case, marks=pytest.mark.slow) for case in cases]


@pytest.mark.parametrize("make", mark_slow(FAULTS, FAST_FAULTS))
def test_each_planted_fault_is_detected_and_no_other(make):
    report = plausibility(make(), *broken.batch())
    faults = {name: criterion.faults for name, criterion in report.criteria.items() if criterion.faults}
    assert list(faults) == list(FAULTS[make])
    for name, text in FAULTS[make].items():
        with pytest.raises(AssertionError, match=text):
            report.require(name)
    for name in set(report.criteria) - set(faults):
        report.require(name)


def _mlp(**kwargs):
    return keras_bsd.applications.SpikingMLP((4,), 3, 3, units=(6, 5), **kwargs)


def _conv(**kwargs):
    return keras_bsd.applications.SpikingConvNet((6, 5, 1), 3, 2, filters=(3, 4), pool_sizes=(2, 1), **kwargs)


SHIPPED = {
    "mlp": _mlp,
    "surrogate rule": lambda: _mlp(rule="surrogate"),
    "local readouts": lambda: _mlp(local_readout_weight=1.0),
    "conv": _conv,
    "conv, local readouts": lambda: _conv(local_readout_weight=1.0),
    "resnet": pairs.residual_pair,
    "own layers": pairs.own_layers_pair,
    "regression": pairs.regression_pair,
}
FAST_SHIPPED = {"mlp", "surrogate rule", "local readouts"}


@pytest.fixture(scope="module")
def audit_of():
    """Function from a name in `SHIPPED` to the model and its report, which tests share."""
    audits = {}

    def audit(name):
        if name not in audits:
            keras.utils.set_random_seed(1234)
            model = SHIPPED[name]()
            model.compile()
            before = [np.array(ops.convert_to_numpy(variable)) for variable in model.variables]
            audits[name] = model, plausibility(model, *pairs.samples(model)), before
        return audits[name]

    return audit


@pytest.mark.parametrize("name", mark_slow(SHIPPED, FAST_SHIPPED))
def test_shipped_pairs_hold_with_the_documented_reservations(name, audit_of):
    model, report, before = audit_of(name)
    report.require()
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)
    assert {name for name, c in report.criteria.items() if c.reservations} >= {"C2", "C4", "C5"}
    assert report.criteria["C3"].verdict == "holds"
    assert set(report.criteria["C3"].measured["runs"].values()) == {1}
    for row in report.criteria["C2"].measured["losses"]:
        assert row["foreign"] == 0
    compared = "a layer loss compares each sample with (every concept's prototype|the other samples)"
    with pytest.raises(AssertionError, match=f"C2, each synapse learns .*: {compared}"):
        report.require("C2", without_reservations=True)


@pytest.mark.parametrize("name", ["mlp", "local readouts"])
def test_local_readouts_are_a_reservation(name, audit_of):
    _, report, _ = audit_of(name)
    reservations = {name: " ".join(criterion.reservations) for name, criterion in report.criteria.items()}
    expected = name == "local readouts"
    assert [("local readout" in reservations[criterion]) for criterion in ("C1", "C5")] == [expected] * 2
    unchecked = "not checked (outside any synapse): the updates of " in reservations["C2"]
    assert (unchecked and "readout" in reservations["C2"]) == expected


@pytest.mark.parametrize(("name", "presynaptic"), [("mlp", "rates"), ("surrogate rule", "spikes")])
def test_presynaptic_signals_of_both_rules(name, presynaptic, audit_of):
    model, report, _ = audit_of(name)
    locality = report.criteria["C2"]
    signals = {}
    for update in locality.measured["updates"]:
        signals.setdefault(update["stage"], update["presynaptic"])
    (first, second), (first_back, second_back) = (
        [stage.name for stage in stages] for stages in (model.encoder_stages, reversed(model.decoder_stages))
    )
    assert signals[first] == signals[first_back] == "stimulus"
    assert signals[second] == presynaptic
    assert signals[second_back] == "rates"  # its mean current is compared
    readouts = [model.encoder.layers[-1].name, model.decoder.layers[-1].name]
    assert [signals[name] for name in readouts] == ["rates"] * 2
    stored = any("spikes and errors of every time step" in text for text in locality.reservations)
    assert stored == (name == "surrogate rule")


def test_reports_whether_the_model_has_been_trained(audit_of):
    _, report, _ = audit_of("mlp")
    assert not report.trained
    assert "no step yet" in str(report)


@pytest.mark.slow
def test_a_trained_model_is_audited_without_a_further_step():
    model = _mlp()
    model.compile()
    x, y = pairs.samples(model)
    alignment = keras_bsd.callbacks.LayerAlignment(x, y)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[alignment])
    report = plausibility(model, x, y)
    assert report.trained
    assert "no step yet" not in str(report)
    assert "first epoch" in str(report)
    assert len(report.criteria["C1"].measured["cosines_over_training"]["dense_1"]) == 2
    assert int(model.optimizer.iterations) == 2


def _pair_of(stage):
    """Return a compiled pair whose encoder has one stage of six neurons."""
    encoder = keras.Sequential([keras.Input((4,)), stage, Readout(keras.layers.Dense(3), "softmax")])
    decoder = [SpikingStage(keras.layers.Dense(6), timesteps=2), Readout(keras.layers.Dense(4))]
    model = keras_bsd.BSDModel(encoder, keras.Sequential([keras.Input((3,)), *decoder]))
    model.compile()
    return model


def test_layers_between_input_and_kernel_are_a_reservation():
    synapse = [keras.layers.Dense(5), keras.layers.ReLU(), keras.layers.Dense(6)]
    model = _pair_of(SpikingStage(synapse, timesteps=2, name="deep"))
    report = plausibility(model, *pairs.samples(model))
    report.require()
    text = "neither the stage's input nor its mean over time, but computed from it in deep"
    assert any(text in reservation for reservation in report.criteria["C2"].reservations)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # the rate rule has none for the gate
def test_kernels_outside_a_synapse_are_a_reservation():
    class Gated(SpikingStage):
        def build(self, input_shape):
            super().build(input_shape)
            self.gate = self.add_weight(shape=(6, 6), initializer="identity", name="gate")

        def remaining_part(self, affine, training):
            return super().remaining_part(ops.matmul(affine, self.gate), training)

    model = _pair_of(Gated(keras.layers.Dense(6), timesteps=2, name="gated"))
    criteria = plausibility(model, *pairs.samples(model)).criteria
    assert any("gated/gate: outside the synapse" in text for text in criteria["C1"].reservations)
    (text,) = (text for text in criteria["C2"].reservations if text.startswith("not checked"))
    assert text.startswith("not checked (outside any synapse): the updates of ")
    assert text.endswith("gated/gate")


def test_single_weights_do_not_count_as_shared():
    """The cosine of two numbers is always 1 or -1."""
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


@pytest.mark.slow
def test_paper_configuration_compares_samples_with_each_other():
    model = _mlp(**keras_bsd.paper_configuration())
    model.compile()
    report = plausibility(model, *pairs.samples(model))
    report.require()
    assert any("the other samples of the batch" in text for text in report.criteria["C2"].reservations)
    assert report.criteria["C4"].verdict == "holds with reservations"


def test_printed_and_as_json(audit_of):
    _, report, _ = audit_of("mlp")
    record = json.loads(json.dumps(report.to_dict()))
    assert record["samples"] == 12
    assert [set(criterion) for criterion in record["criteria"].values()] == [
        {"title", "verdict", "faults", "reservations", "measured"}
    ] * 5
    assert record["criteria"]["C4"]["verdict"] == "holds with reservations"
    lines = str(report).splitlines()
    assert any(line.startswith("C3") and line.endswith("holds") for line in lines)
    assert "- C4: the input of encoder stage 'dense_1' is an analogue current from outside the network" in lines
    assert any(
        line.split() == ["feedforward", "weight", "backward", "twin", "cosine", "by", "chance"]
        for line in lines
    )
    assert any(line.startswith("loss of stage 'dense_1'") and line.endswith(" 0") for line in lines)


def test_a_report_prints_any_criterion():
    """Title, faults and table are the criterion's own."""
    table = (("stage", "energy"), ("first", "1.5"))
    criterion = Criterion("stages use little energy", ("'first' uses 1.5 nJ",), (), {"first": 1.5}, table)
    report = PlausibilityReport("model", 3, True, {"C1": Criterion("weights", (), (), {}), "C6": criterion})
    assert str(report) == "\n".join(
        [
            "Plausibility of 'model' on 3 samples",
            "",
            "C1  weights                   holds",
            "C6  stages use little energy  fails",
            "",
            "Faults",
            "- C6: 'first' uses 1.5 nJ",
            "",
            "stage    energy",
            "first    1.5",
        ]
    )
    with pytest.raises(
        AssertionError, match="'model' does not satisfy\nC6, stages use little energy: 'first' uses"
    ):
        report.require()
    report.require("C1")


def test_bad_input(audit_of):
    model = pairs.dense_pair()
    x, y = pairs.samples(model)
    with pytest.raises(
        ValueError, match=r"must be compiled.* Received: 'bsd_model.*Call `model.compile\(\)` first"
    ):
        plausibility(model, x, y)
    model.compile()
    with pytest.raises(ValueError, match=r"a keras_bsd.BSDModel.* Received: model=<Sequential"):
        plausibility(model.encoder, x, y)
    with pytest.raises(ValueError, match=r"shape \(batch, 4\). Received: shape=\(12, 3\)"):
        plausibility(model, x[:, :3], y)
    with pytest.raises(ValueError, match="Received: 12 stimuli and 5 targets"):
        plausibility(model, x, y[:5])
    for count, message in ((0, "at least one stimulus"), (1, "at least two samples.* Received: 1 samples")):
        with pytest.raises(ValueError, match=message):
            plausibility(model, x[:count], y[:count])
    with pytest.raises(ValueError, match=r"Unknown `criterion`.*'C5'. Received: criterion='C6'"):
        audit_of("mlp")[1].require("C6")


def test_an_interrupted_audit_does_not_change_the_layers(monkeypatch):
    model = pairs.dense_pair()
    model.compile()
    monkeypatch.setattr(type(model), "distil", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        plausibility(model, *pairs.samples(model))
    assert not any("call" in stage.__dict__ for stage in model.encoder_stages)
