"""Plausibility and training costs of rival rules."""

import math

import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd import audit, baselines

HOLDS, RESERVED, FAILS = "holds", "holds with reservations", "fails"
# All have a reservation at C4, the analogue stimulus, and at C5, the readout's signed difference.
ERRORS_BY_TRANSPOSED_WEIGHTS = (FAILS,) * 5
ERRORS_BY_FIXED_WEIGHTS = (HOLDS, FAILS, FAILS, FAILS, FAILS)
ERRORS_TO_EACH_STAGE = (HOLDS, RESERVED, FAILS, FAILS, FAILS)
OWN_READOUT = (RESERVED, RESERVED, HOLDS, RESERVED, RESERVED)
OWN_ACTIVITY = (HOLDS, RESERVED, RESERVED, RESERVED, RESERVED)  # for several stimuli of a sample
TEACHER = (HOLDS, RESERVED, HOLDS, RESERVED, RESERVED)
VERDICTS = {
    "backprop": ERRORS_BY_TRANSPOSED_WEIGHTS,
    "spatial": ERRORS_BY_TRANSPOSED_WEIGHTS,
    "ottt": ERRORS_BY_TRANSPOSED_WEIGHTS,
    "fa": ERRORS_BY_FIXED_WEIGHTS,
    "dfa": ERRORS_TO_EACH_STAGE,
    "decolle": OWN_READOUT,
    "local_readouts": OWN_READOUT,
    "lls": OWN_READOUT,
    "forward_forward": OWN_ACTIVITY,
    "ccl": TEACHER,
    "eprop": ERRORS_TO_EACH_STAGE,
}


def compiled(rule):
    encoder = keras_bsd.applications.SpikingMLP((4,), 3, 3, units=(6, 7)).encoder
    model = (baselines.get(rule) if isinstance(rule, str) else rule)(encoder)
    model.compile(loss="sparse_categorical_crossentropy")
    return model


def batch():
    return np.random.default_rng(0).uniform(size=(12, 4)).astype("float32"), np.arange(12) % 3


def test_every_rule_has_verdicts():
    assert list(VERDICTS) == baselines.list_methods()


@pytest.mark.parametrize("name", VERDICTS)
def test_rules_meet_the_criteria_that_follow_from_their_definition(name):
    model = compiled(name)
    before = [np.array(ops.convert_to_numpy(variable)) for variable in model.variables]
    report = audit.plausibility(model, *batch())
    assert tuple(criterion.verdict for criterion in report.criteria.values()) == VERDICTS[name]
    assert str(report)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)


FAULTS = {
    ("backprop", "C1"): "errors of later stages reach 'dense_1', 'dense_2' through the transposed feedforward",
    ("backprop", "C2"): "the task loss reaches dense_1/.* of another stage",
    ("backprop", "C3"): "updates of encoder stages 'dense_1', 'dense_2' depend on later stages: they wait",
    ("fa", "C4"): "the errors that later stages send to 'dense_1', 'dense_2' are analogue",
    ("dfa", "C4"): "the output of feedback layer 'dense_1_feedback' is not 0 or 1 only",
    ("dfa", "C5"): "the output of feedback layer 'dense_2_feedback' is negative, down to -",
}


@pytest.mark.parametrize(("name", "criterion"), FAULTS)
def test_faults_name_the_stages(name, criterion):
    report = audit.plausibility(compiled(name), *batch())
    with pytest.raises(AssertionError, match=FAULTS[name, criterion]):
        report.require(criterion)


class Leaking(baselines.DECOLLE):
    """A local rule but for the activity of the stage above, which sets the size of each update."""

    title = "leaking"

    def compute_step(self, x, y, sample_weight=None):
        step = super().compute_step(x, y, sample_weight)
        above = step.firing_rates[1]
        return step._replace(stage_losses=[step.stage_losses[0] * above, step.stage_losses[1]])


def test_an_update_that_depends_on_the_stage_above_waits_for_it():
    report = audit.plausibility(compiled(Leaking), *batch())
    assert report.criteria["C3"].faults == (
        "the updates of encoder stages 'dense_1' depend on later stages: they wait for them",
    )


def test_a_network_alone_is_refused_with_the_remedy():
    encoder = keras_bsd.applications.SpikingMLP((4,), 3, 3, units=(6,)).encoder
    with pytest.raises(
        ValueError, match=r'audited as keras_bsd.baselines.get\("backprop"\)\(model\). Received'
    ):
        audit.plausibility(encoder, *batch())


# Two stages of 6 and 7 neurons, T = 3 timesteps: 24, 42 and 21 synapses. The stimulus is held, so that the
# first kernel takes one product, and the readout is applied to rates.
FORWARD = 24 + 3 * 42 + 21
MEANS = 24 + 42 + 21  # one product for each weight
TRAINING = {
    "backprop": FORWARD + FORWARD + 3 * 42 + 21,
    "fa": FORWARD + FORWARD + 3 * 42 + 21,
    "spatial": FORWARD + FORWARD + 3 * 42 + 21,
    "dfa": FORWARD + MEANS + 3 * (6 + 7),
    "decolle": FORWARD + MEANS + 2 * 3 * (6 + 7),
    "lls": FORWARD + MEANS + 2 * 3 * (6 + 7),
    "local_readouts": FORWARD + MEANS + 3 * 3 * (6 + 7),
    "forward_forward": 3 * (FORWARD + MEANS),
}


@pytest.mark.parametrize("name", TRAINING)
def test_products_of_a_training_step_follow_from_the_rule(name):
    report = audit.energy(compiled(name), batch()[0])
    assert report.training[name].products == TRAINING[name]
    assert report.training["backprop"].products == TRAINING["backprop"]
    assert math.isfinite(report.training[name].macs)
    assert name in str(report)


def test_what_is_not_counted_is_named():
    unknown = audit.energy(compiled("ottt"), batch()[0]).unknown
    assert {"the readout at each time step", "multiplication by traces in place of sums over spikes"} <= set(
        unknown
    )


def test_recurrent_rules_are_audited():
    keras.utils.set_random_seed(0)
    encoder = keras_bsd.applications.SpikingRNN((5, 4), 3, units=(6,)).encoder
    model = baselines.EProp(encoder)
    model.compile(loss="sparse_categorical_crossentropy")
    x = np.random.default_rng(0).uniform(size=(6, 5, 4)).astype("float32")
    report = audit.plausibility(model, x, np.arange(6) % 3)
    assert [name for name, criterion in report.criteria.items() if criterion.faults] == ["C3", "C4", "C5"]
