import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_bsd import encoding


def run(layer, inputs):
    return ops.convert_to_numpy(layer(ops.convert_to_tensor(np.asarray(inputs, "float32"))))


def test_direct_repeats():
    stimulus = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    current = run(encoding.DirectEncoder(5), stimulus)
    np.testing.assert_array_equal(current, np.repeat(stimulus[:, None], 5, axis=1))


def test_poisson_rate_is_the_intensity():
    spikes = run(encoding.PoissonEncoder(20_000, gain=2.0, seed=1), [[0.0, 0.1, 0.25, 0.5]])
    assert set(np.unique(spikes)) == {0.0, 1.0}
    np.testing.assert_allclose(spikes.mean(axis=1)[0], [0, 0.2, 0.5, 1], atol=0.02)


def test_regular_by_hand():
    spikes = run(encoding.RegularEncoder(6), [[1.0, 0.5, 1 / 3, 0.7, 0.1, 0.0]])
    expected = [[1] * 6, [0, 1] * 3, [0, 0, 1] * 2, [0, 1, 1, 0, 1, 1], [0] * 6, [0] * 6]
    np.testing.assert_array_equal(spikes[0].T, expected)


@settings(deadline=None)
@given(spikes=st.integers(0, 40), steps=st.integers(1, 40), timesteps=st.integers(1, 40))
def test_regular_spike_counts_follow_the_rate(spikes, steps, timesteps):
    spikes = min(spikes, steps)
    train = run(encoding.RegularEncoder(timesteps), [spikes / steps])[0]
    np.testing.assert_array_equal(np.cumsum(train), [spikes * t // steps for t in range(1, timesteps + 1)])


def test_latency_by_hand():
    spikes = run(encoding.LatencyEncoder(3, silence=0.1), [[1.0, 0.5, 0.2, 0.1, 0.0]])
    np.testing.assert_array_equal(spikes[0].T, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]])


def test_delta_by_hand():
    signal = [[[0.0], [1.0], [1.2], [0.1]]]
    np.testing.assert_array_equal(run(encoding.DeltaEncoder(0.5), signal)[0, :, 0], [0, 1, 0, 0])
    both = run(encoding.DeltaEncoder(0.5, off_spikes=True), signal)
    np.testing.assert_array_equal(both[0, :, 1], [0, 0, 0, 1])


@pytest.mark.parametrize(("code", "units"), [("constant", 1), ("poisson", 1), ("population", 8)])
def test_only_the_neurons_of_the_class_fire(code, units):
    encoder = encoding.ClassEncoder(4, 2000, code=code, rate=0.7, seed=0)
    for inputs in ([2, 0], np.eye(4)[[2, 0]]):
        spikes = run(encoder, inputs)
        assert spikes.shape == (2, 2000, 4 * units)
        rates = spikes.mean(axis=1).reshape(2, 4, units)
        expected = np.zeros((2, 4, units))
        expected[0, 2] = expected[1, 0] = 1.0 if code == "constant" else 0.7
        np.testing.assert_allclose(rates, expected, atol=0.05)


def test_population_rates_follow_the_tuning_curves():
    rates = run(encoding.PopulationEncoder(5, 4000, low=-1.0, high=1.0, seed=0), [[-1.0, 0.5]]).mean(axis=1)
    tuning = np.exp(-0.5 * ((np.array([[-1.0], [0.5]]) - np.linspace(-1, 1, 5)) / 0.5) ** 2)
    np.testing.assert_allclose(rates.reshape(2, 5), tuning, atol=0.04)


ALL = [
    encoding.DirectEncoder(3),
    encoding.PoissonEncoder(3, gain=0.5, seed=7),
    encoding.LatencyEncoder(3, silence=0.2),
    encoding.ClassEncoder(4, 3, code="population", rate=0.5, units_per_class=2, seed=7),
    encoding.PopulationEncoder(4, 3, low=-1.0, high=2.0, seed=7),
    encoding.DeltaEncoder(0.2, off_spikes=True),
]


@pytest.mark.parametrize("encoder", ALL, ids=lambda encoder: type(encoder).__name__)
def test_a_copy_from_the_config_encodes_equally(encoder):
    inputs = np.random.default_rng(0).random((2, 6, 4) if "Delta" in type(encoder).__name__ else (2, 4))
    copies = [type(encoder).from_config(encoder.get_config()) for _ in range(2)]
    np.testing.assert_array_equal(run(copies[0], inputs), run(copies[1], inputs))
    assert copies[0].get_config() == encoder.get_config()


def test_a_loaded_model_continues_the_random_sequence(tmp_path):
    model = keras.Sequential([keras.Input((50,)), encoding.PoissonEncoder(4, seed=0)])
    inputs = np.full((2, 50), 0.5, "float32")
    first = run(model, inputs)
    model.save(tmp_path / "encoder.keras")
    second = run(model, inputs)
    assert (first != second).any()
    loaded = keras.saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_array_equal(run(loaded, inputs), second)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: encoding.DirectEncoder(0), "`timesteps` must be an integer of at least 1. Received: .*=0"),
        (lambda: encoding.PoissonEncoder(2, gain=-1), "Received: gain=-1"),
        (lambda: encoding.LatencyEncoder(2, silence=1.0), r"\[0.0, 1.0\). Received: silence=1.0"),
        (lambda: encoding.DeltaEncoder(0.0), "Received: threshold=0.0"),
        (lambda: encoding.ClassEncoder(1, 2), "Received: classes=1"),
        (lambda: encoding.ClassEncoder(3, 2, code="morse"), "choose one of 'constant', .* code='morse'"),
        (lambda: encoding.PopulationEncoder(4, 2, low=1.0, high=1.0), "Received: high=1.0"),
        (lambda: encoding.DeltaEncoder()(np.zeros(3, "float32")), "expects inputs of shape"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([[0, 3]], r"lie in \[0, 2\]. Received: values from 0 to 3"),
        ([[-1, 0]], "Received: values from -1 to 0"),
        ([[0.5, 1]], "be integers"),
    ],
)
def test_unknown_tokens_and_classes_are_errors(ids, message):
    with pytest.raises(ValueError, match=f"Token ids must .*{message}"):
        encoding.OneHotEncoder(3)(np.array(ids))
    with pytest.raises(ValueError, match=f"Classes must .*{message}"):
        encoding.ClassEncoder(3, timesteps=2)(np.array(ids)[0])


ENCODERS = {
    "poisson": (encoding.PoissonEncoder(2, gain=2.0), r"PoissonEncoder must lie in \[0, 0.5\]", 0.6),
    "regular": (encoding.RegularEncoder(2), r"RegularEncoder must lie in \[0, 1\]", -0.1),
    "latency": (encoding.LatencyEncoder(2), r"LatencyEncoder must lie in \[0, 1\]", 255),
    "class": (encoding.ClassEncoder(2, 2), r"ClassEncoder must lie in \[0, 1\]", -0.5),
    "population": (
        encoding.PopulationEncoder(3, 2, low=-1.0, high=2.0),
        r"PopulationEncoder must lie in \[-1, 2\]",
        2.5,
    ),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_inputs_out_of_range_are_errors(name):
    encoder, message, value = ENCODERS[name]
    with pytest.raises(ValueError, match=f"`inputs` of {message}. Received: values from .*Scale or clip them"):
        run(encoder, [[0.0, value]])


@pytest.mark.parametrize("encoder", [*(e for e, *_ in ENCODERS.values()), *ALL], ids=lambda e: e.name)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_inputs_that_are_not_finite_are_errors(encoder, value):
    with pytest.raises(
        ValueError, match=r"`inputs` must be finite\. Received: .* in 1 of 2 samples, .* index 1"
    ):
        run(encoder, [[[0.0], [0.0]], [[0.0], [value]]])


@pytest.mark.skipif(keras.config.backend() == "torch", reason="PyTorch always knows the values")
def test_traced_functions_clip_their_inputs():
    """They have no values to check."""
    model = keras.Sequential([keras.Input((4,)), encoding.LatencyEncoder(3)])
    spikes = model.predict(np.array([[2.0, 1.0, -1.0, np.nan]]), verbose=0)
    np.testing.assert_array_equal(spikes[0].T, [[1, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]])
