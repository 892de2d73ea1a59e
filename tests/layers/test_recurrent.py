import contextlib

import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd import StateScope, _rules
from keras_bsd.layers import SpikingLIF, SpikingRecurrent
from keras_bsd.layers._time_loop import at_once
from tests.gradients import weight_gradients


def series(elements=7, features=5, seed=0):
    return np.random.default_rng(seed).normal(size=(3, elements, features)).astype("float32")


def by_hand(stage, x, steps):
    """Return the stage's spikes by its formula, element by element, in NumPy."""
    kernel, gamma, beta = (ops.convert_to_numpy(weight) for weight in stage.synapse.weights)
    feedback = ops.convert_to_numpy(stage.recurrent.kernel)
    padded = np.concatenate([np.zeros_like(x[:, : stage.delays - 1]), x], axis=1)
    membrane, rates, spikes = 0.0, np.zeros((len(x), stage.units)), []
    for n in range(x.shape[1]):
        current = rates @ feedback + sum(padded[:, n + d] @ kernel[d] for d in range(stage.delays))
        current = current - current.mean(axis=1, keepdims=True)
        current = gamma * current / np.sqrt((current**2).mean(axis=1, keepdims=True) + 1e-3) + beta
        fired = []
        for _ in range(steps):
            membrane = 0.5 * membrane + current
            fired.append((membrane >= 0.6).astype("float32"))
            membrane = membrane * (1 - fired[-1])
        spikes.append(np.stack(fired, axis=1))
        rates = spikes[-1].mean(axis=1)
    return np.stack(spikes, axis=1)


@pytest.mark.parametrize("delays", [1, 3])
def test_spikes_equal_the_formula(delays):
    stage, x = SpikingRecurrent(6, delays=delays, timesteps=4), series()
    spikes = ops.convert_to_numpy(stage(x))
    assert spikes.shape == (3, 7, 4, 6)
    np.testing.assert_array_equal(spikes, by_hand(stage, x, 4))
    assert 0.05 < spikes.mean() < 0.95


def test_cannot_be_mirrored():
    with pytest.raises(
        NotImplementedError,
        match="SpikingRecurrent cannot be mirrored, because it does not define `backward_synapse`",
    ):
        SpikingRecurrent(6).backward_synapse()


def test_feedback_gain_scales_the_initial_weights():
    stage = SpikingRecurrent(6, timesteps=4, feedback_gain=0.2)
    stage(series())
    feedback = ops.convert_to_numpy(stage.recurrent.kernel)
    np.testing.assert_allclose(feedback @ feedback.T, 0.04 * np.eye(6), atol=1e-6)


def test_a_later_stage_receives_firing_rates():
    first, second = SpikingRecurrent(6, timesteps=4), SpikingRecurrent(5, delays=2)
    spikes = ops.convert_to_numpy(first(series()))
    np.testing.assert_array_equal(ops.convert_to_numpy(second(spikes)), by_hand(second, spikes.mean(axis=2), 4))


@pytest.mark.parametrize("neuron", [{}, {"refractory_steps": 1}, {"reset": "soft", "tau": 3.0}])
def test_carried_state(neuron):
    """The chunks of a sequence have the spikes of the whole sequence, wherever it is cut."""
    stage, x = SpikingRecurrent(6, delays=3, timesteps=2, neuron=SpikingLIF(**neuron)), series(9)
    whole, states, parts = ops.convert_to_numpy(stage(x)), None, []
    for begin, end in ((0, 1), (1, 2), (2, 6), (6, 9)):
        with StateScope(states) as scope:
            parts.append(ops.convert_to_numpy(stage(x[:, begin:end])))
        states = scope.states
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    assert not np.array_equal(ops.convert_to_numpy(stage(x[:, 6:])), parts[-1])  # differs from rest


@pytest.mark.parametrize("targets", ["all", "last"])
def test_the_rate_rule_is_a_product_of_rates_and_errors(targets):
    stage = SpikingRecurrent(4, delays=2, timesteps=4, normalization=None, targets=targets)
    x = series()
    spikes = ops.convert_to_numpy(stage(x))
    samples = slice(-1, None) if targets == "last" else slice(None)
    rates = spikes.mean(axis=2)
    before = np.concatenate([np.zeros_like(rates[:, :1]), rates[:, :-1]], axis=1)
    delayed = np.concatenate([np.zeros_like(x[:, :1]), x], axis=1)
    kernel, bias = (ops.convert_to_numpy(weight) for weight in stage.synapse.weights)
    current = before @ ops.convert_to_numpy(stage.recurrent.kernel) + bias
    current = current + delayed[:, :-1] @ kernel[0] + delayed[:, 1:] @ kernel[1]
    membrane, slopes = np.zeros((3, 4)), np.zeros((3, 7, 4))
    for n in range(7):
        tangent = np.zeros((3, 4))  # by a shift of this element's current
        for _ in range(4):
            membrane, tangent = 0.5 * membrane + current[:, n], 0.5 * tangent + 1
            slopes[:, n] += tangent / (1 + (np.pi * (membrane - 0.6)) ** 2) / 4
            silent = membrane < 0.6
            membrane, tangent = membrane * silent, tangent * silent
    errors = slopes[:, samples]

    def loss():
        with _rules.LocalLearning(_rules.rate_rule) as scope:
            stage(x)
        representation = scope.representations[stage]
        assert representation.shape == (errors.size // 4, 4)
        np.testing.assert_allclose(_numpy(representation), rates[:, samples].reshape(-1, 4), atol=1e-6)
        return ops.sum(representation)

    to_kernel, to_bias, to_feedback = weight_gradients(loss, stage.trainable_variables)
    for delay in (0, 1):
        expected = np.einsum("bnf,bnu->fu", delayed[:, delay : delay + 7][:, samples], errors)
        np.testing.assert_allclose(to_kernel[delay], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(to_bias, errors.sum(axis=(0, 1)), rtol=1e-4)
    expected = np.einsum("bnv,bnu->vu", before[:, samples], errors)
    np.testing.assert_allclose(to_feedback, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("neuron", [{}, {"refractory_steps": 1, "trainable_threshold": True}])
@pytest.mark.parametrize("masked", [False, True])
def test_the_rate_rule_keeps_spikes_only_where_all_are_wanted_at_once(neuron, masked):
    """Without a record each time step of an element has the element's rates, all that synapses take."""
    stage, x = SpikingRecurrent(6, delays=2, timesteps=4, neuron=SpikingLIF(**neuron)), series()
    mask = np.arange(7) < [[7], [4], [0]] if masked else None
    seen = []
    for scope in (contextlib.nullcontext, at_once):
        with scope(), StateScope() as carried, _rules.LocalLearning(_rules.rate_rule) as local:
            spikes = ops.convert_to_numpy(stage(x, mask=mask, training=True))
        seen.append((spikes, local.representations[stage], *keras.tree.flatten(carried.states)))
    (kept, *others), (recorded, *expected) = seen
    assert set(np.unique(recorded)) == {0, 1}
    assert recorded.shape == kept.shape
    np.testing.assert_allclose(kept, np.repeat(recorded.mean(axis=2, keepdims=True), 4, axis=2), atol=1e-6)
    for one, other in zip(others, expected, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(one), ops.convert_to_numpy(other))
    np.testing.assert_array_equal(recorded, ops.convert_to_numpy(stage(x, mask=mask)))


def _numpy(tensor):
    """Return the values of a tensor, which JAX may trace."""
    return ops.convert_to_numpy(getattr(tensor, "primal", tensor))


def test_only_the_surrogate_rule_has_gradients_through_time():
    """The gradient of one element's rates by the inputs of all elements; by the rate rule it is zero."""
    stage, x = SpikingRecurrent(12, timesteps=4), series()
    stage(x)
    gain = keras.Variable(np.ones((1, 7, 1), "float32"))

    def element(rule):
        rates = rule(stage, gain * x, False)[1]
        return ops.sum(ops.reshape(rates, (3, 7, 12))[:, 5])

    (rate,) = weight_gradients(lambda: element(_rules.rate_rule), [gain])
    assert rate is None or not np.any(rate)
    (surrogate,) = weight_gradients(lambda: element(_rules.surrogate_rule), [gain])
    assert np.flatnonzero(surrogate).tolist() == [0, 1, 2, 3, 4, 5]
    (alone,) = weight_gradients(lambda: ops.sum(stage(gain * x)[:, 5]) / 4, [gain])
    np.testing.assert_allclose(alone, surrogate, rtol=1e-4, atol=1e-6)


def test_compiles_saves_and_loads(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((7, 5)),
            SpikingRecurrent(6, delays=2, timesteps=3, neuron=SpikingLIF(tau=3.0)),
            SpikingRecurrent(5, targets="last", normalization=None),
        ]
    )
    model.save(tmp_path / "stages.keras")
    loaded = keras.saving.load_model(tmp_path / "stages.keras")
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    expected = ops.convert_to_numpy(model(series()))
    loaded.compile(jit_compile=keras.config.backend() != "torch")
    np.testing.assert_array_equal(loaded.predict(series(), verbose=0), expected)


def test_config_of_version_0_1():
    config = SpikingRecurrent(4, targets="last").get_config()
    config["learns_from"] = config.pop("targets")
    assert SpikingRecurrent.from_config(config).targets == "last"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpikingRecurrent(0), "`units` must be an integer of at least 1. Received: units=0"),
        (lambda: SpikingRecurrent(4, delays=0), "Received: delays=0"),
        (lambda: SpikingRecurrent(4, feedback_gain=-1.0), r"in \[0.0, inf\]. Received: feedback_gain=-1.0"),
        (lambda: SpikingRecurrent(4, targets="first"), "choose one of 'all', 'last'"),
        (lambda: SpikingRecurrent(4, normalization="batch"), "choose one of 'layer', None"),
        (lambda: SpikingRecurrent(4, neuron=SpikingLIF(stateful=True)), "must not be stateful, since stage"),
        (lambda: SpikingRecurrent(4)(series()), r"\(batch, elements, time, features\). Received: shape=\(3, 7"),
        (lambda: SpikingRecurrent(4, timesteps=2)(series()[0]), r"\(batch, elements, features\). Received"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
