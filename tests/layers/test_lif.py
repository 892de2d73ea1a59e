import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import keras_bsd
from keras_bsd.layers import Readout, SpikingDense, SpikingLIF, SpikingLIFCell, SpikingStage
from tests.gradients import gradients
from tests.layers import lif_reference

RESETS = ("hard", "soft", "none")


def currents(shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).normal(0.3, 0.6, shape).astype(dtype)


def run(layer, *args, **kwargs):
    """Return the layer's outputs as NumPy arrays."""
    return keras.tree.map_structure(ops.convert_to_numpy, layer(*args, **kwargs))


@settings(max_examples=40, deadline=None)
@given(
    beta=st.floats(0, 1),
    threshold=st.floats(0.05, 2),
    reset=st.sampled_from(RESETS),
    refractory_steps=st.integers(0, 3),
    steps=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_equals_the_recursion(beta, threshold, reset, refractory_steps, steps, seed):
    layer = SpikingLIF(beta, None, threshold, reset, refractory_steps, return_state=True, dtype="float64")
    data = currents((2, steps, 3), seed)
    spikes, membrane, *_ = run(layer, data)
    expected, expected_membrane = lif_reference.forward(data, beta, threshold, reset, refractory_steps)
    np.testing.assert_array_equal(spikes, expected)
    np.testing.assert_allclose(membrane, expected_membrane, atol=1e-12)


def test_by_hand():
    # Membrane: 0.5; then 0.25 + 0.5 = 0.75, a spike and a reset to zero; then 0.5 again.
    data = np.full((1, 3, 1), 0.5, "float32")
    spikes, membrane = run(SpikingLIF(beta=0.5, threshold=0.6, return_state=True), data)
    np.testing.assert_array_equal(spikes[0, :, 0], [0, 1, 0])
    np.testing.assert_allclose(membrane, [[0.5]])
    soft = run(SpikingLIF(beta=0.5, threshold=0.6, reset="soft", return_state=True), data)
    np.testing.assert_allclose(soft[1], [[0.15 * 0.5 + 0.5]], rtol=1e-6)


def test_charge_by_hand():
    """Leak and input, before the reset: 0.5 u + I, and 0.5 u alone in a refractory step."""
    cell = SpikingLIFCell(2, beta=0.5, refractory_steps=2)
    membrane, remaining = ops.array([[0.4, 1.0]]), ops.array([[0.0, 1.0]])
    (charged,) = cell.charge(ops.array([[0.7, 0.7]]), [membrane, remaining])
    np.testing.assert_allclose(ops.convert_to_numpy(charged), [[0.9, 0.5]], rtol=1e-6)
    spikes, (after, remaining) = run(cell, ops.array([[0.7, 0.7]]), [membrane, remaining])
    np.testing.assert_array_equal(spikes, [[1, 0]])
    np.testing.assert_allclose(after, [[0, 0.5]], rtol=1e-6)
    np.testing.assert_array_equal(remaining, [[2, 0]])


def test_charge_without_refractory_steps_is_leak_and_input():
    (charged,) = SpikingLIFCell(1, beta=0.25).charge(ops.array([[-0.5]]), [ops.array([[2.0]])])
    assert float(charged[0, 0]) == pytest.approx(0)


def test_a_membrane_at_its_threshold_spikes():
    assert run(SpikingLIF(threshold=0.5), np.full((1, 1, 1), 0.5, "float32")) == 1


def test_tau_is_a_time_constant():
    assert SpikingLIF(tau=2.0).cell.leak == pytest.approx(np.exp(-0.5))


@pytest.mark.parametrize("detach_reset", [True, False])
@pytest.mark.parametrize("reset", RESETS)
def test_gradient_equals_the_chain_rule(reset, detach_reset):
    data, upstream = currents((2, 6, 4)), currents((2, 6, 4), seed=1)
    upstream_tensor = ops.convert_to_tensor(upstream)
    layer = SpikingLIF(
        0.7, threshold=0.5, reset=reset, detach_reset=detach_reset, surrogate="atan", dtype="float64"
    )
    data_tensor = ops.convert_to_tensor(data)
    (gradient,) = gradients(lambda data: ops.sum(layer(data) * upstream_tensor), [data_tensor])

    def atan(distance):
        return 1 / (1 + (np.pi * distance) ** 2)

    expected = lif_reference.gradient(data, upstream, 0.7, 0.5, atan, reset, detach_reset)
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("masked", [False, True])
def test_loop_equals_unrolled(monkeypatch, reset, masked):
    data = currents((3, 7, 5), dtype="float32")
    mask = np.arange(7)[None] < np.array([[7], [3], [5]]) if masked else None
    layer = SpikingLIF(0.8, reset=reset, refractory_steps=1, return_state=True)
    data_tensor = ops.convert_to_tensor(data)

    def results():
        outputs = run(layer, data_tensor, mask=mask)
        return outputs, gradients(lambda data: ops.sum(layer(data, mask=mask)[0]), [data_tensor])

    unrolled = results()
    monkeypatch.setattr("keras_bsd.layers._time_loop.LONGEST_UNROLLED", 3)
    for one, other in zip(keras.tree.flatten(unrolled), keras.tree.flatten(results()), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("timesteps", [5, None])
@pytest.mark.parametrize(
    "arguments", [{}, {"return_state": True}, {"return_state": False}, {"linearize": True}], ids=str
)
@pytest.mark.parametrize("return_state", [False, True])
def test_functional_networks_have_the_outputs_that_a_call_asks_for(return_state, arguments, timesteps):
    layer = SpikingLIF(0.8, refractory_steps=1, return_state=return_state)
    inputs = keras.Input((timesteps, 3))
    network = keras.Model(inputs, layer(inputs, **arguments))
    data = currents((2, 5, 3), dtype="float32")
    expected = keras.tree.flatten(run(layer, data, **arguments))
    found = keras.tree.flatten(run(network, data))
    assert len(network.outputs) == len(expected)
    for output, one, other in zip(network.outputs, expected, found, strict=True):
        assert output.shape[0] is None
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(keras.config.backend() == "torch", reason="PyTorch runs without a graph")
def test_long_sequences_have_a_small_graph():
    layer, cell_calls = SpikingLIF(), []
    call = layer.cell.call
    layer.cell.call = lambda *args, **kwargs: cell_calls.append(1) or call(*args, **kwargs)
    model = keras.Sequential([keras.Input((1000, 3)), layer])
    assert model.predict(np.zeros((2, 1000, 3)), verbose=0).shape == (2, 1000, 3)
    assert 0 < len(cell_calls) < 5


def test_unknown_length():
    model = keras.Sequential([keras.Input((None, 3)), SpikingLIF(0.9)])
    data = currents((2, 9, 3), dtype="float32")
    expected, _ = lif_reference.forward(data, np.float32(0.9), np.float32(0.6))
    np.testing.assert_array_equal(model.predict(data, verbose=0), expected)


def test_masked_steps_leave_the_state_unchanged():
    data = currents((4, 8, 3))
    mask = np.random.default_rng(3).random((4, 8)) < 0.6
    spikes, membrane = run(SpikingLIF(0.8, return_state=True, dtype="float64"), data, mask=mask)
    expected, expected_membrane = lif_reference.forward(data, 0.8, 0.6, mask=mask)
    np.testing.assert_array_equal(spikes, expected)
    np.testing.assert_allclose(membrane, expected_membrane)


def test_mask_of_the_layer_before_is_applied():
    data = currents((2, 5, 3), dtype="float32") + 1
    data[:, 2:] = 0
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.Masking(), SpikingLIF(0.9)])
    assert not model.predict(data, verbose=0)[:, 2:].any()
    assert model.predict(data, verbose=0)[:, :2].any()


@pytest.mark.parametrize("refractory_steps", [0, 2])
def test_returned_state_continues_the_sequence(refractory_steps):
    data = currents((2, 10, 3), dtype="float32")
    layer = SpikingLIF(0.9, refractory_steps=refractory_steps, return_state=True)
    whole, *_ = run(layer, data)
    first, *state = run(layer, data[:, :4])
    second, *_ = run(layer, data[:, 4:], initial_state=state)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), whole)


def test_stateful_streaming_equals_the_whole_sequence():
    data = currents((2, 6, 3), dtype="float32")
    whole = run(SpikingLIF(0.9, reset="soft", refractory_steps=1), data)
    layer = SpikingLIF(0.9, reset="soft", refractory_steps=1, stateful=True)
    for _ in range(2):
        streamed = [run(layer, data[:, t : t + 1]) for t in range(6)]
        np.testing.assert_array_equal(np.concatenate(streamed, axis=1), whole)
        layer.reset_state()


def test_cell_in_keras_rnn():
    data = currents((2, 6, 3), dtype="float32")
    rnn = keras.layers.RNN(SpikingLIFCell(3, beta=0.8, refractory_steps=1), return_sequences=True)
    np.testing.assert_array_equal(run(rnn, data), run(SpikingLIF(0.8, refractory_steps=1), data))


@pytest.mark.parametrize("dtype", ["float64", "float32", "mixed_float16", "mixed_bfloat16", "bfloat16"])
@pytest.mark.parametrize("learned", [False, True])
def test_spikes_are_binary_under_any_policy(dtype, learned):
    layer = SpikingLIF(trainable_leak=learned, trainable_threshold=learned, dtype=dtype)
    spikes = layer(currents((4, 5, 6), dtype="float32"))
    assert keras.backend.standardize_dtype(spikes.dtype) == layer.compute_dtype
    assert set(np.unique(ops.convert_to_numpy(ops.cast(spikes, "float32")))) == {0.0, 1.0}


def test_learned_leak_and_threshold_are_constrained():
    layer = SpikingLIF(0.99, threshold=0.01, trainable_leak=True, trainable_threshold=True)
    model = keras.Sequential([keras.Input((4, 3)), layer])
    model.compile(keras.optimizers.SGD(10.0), "mse")
    data = currents((8, 4, 3), dtype="float32")
    for target in (0.0, 1.0):
        model.fit(data, np.full_like(data, target), epochs=3, verbose=0)
        leak, threshold = map(ops.convert_to_numpy, (layer.cell.leak, layer.cell.threshold))
        assert 0 <= leak <= 1
        assert threshold >= 1e-3
    assert leak != pytest.approx(0.99)
    assert threshold != pytest.approx(0.01)


def test_compiled_equals_eager():
    data = currents((4, 6, 3), dtype="float32")
    model = keras.Sequential([keras.Input((6, 3)), SpikingLIF(0.9, refractory_steps=1)])
    model.compile(jit_compile=True)
    np.testing.assert_array_equal(model.predict(data, verbose=0), run(model, data))


def test_saves_and_loads(tmp_path):
    layer = SpikingLIF(
        tau=3.0,
        threshold=0.8,
        reset="soft",
        refractory_steps=2,
        trainable_leak=True,
        trainable_threshold=True,
        surrogate="triangular",
        detach_reset=False,
    )
    model = keras.Sequential([keras.Input((6, 3)), layer])
    layer.cell.leak.assign(0.25)
    model.save(tmp_path / "lif.keras")
    loaded = keras.saving.load_model(tmp_path / "lif.keras")
    assert loaded.layers[0].get_config() == layer.get_config()
    assert ops.convert_to_numpy(loaded.layers[0].cell.leak) == 0.25
    data = currents((4, 6, 3), dtype="float32")
    np.testing.assert_array_equal(loaded.predict(data, verbose=0), model.predict(data, verbose=0))


def test_features_of_any_rank():
    assert run(SpikingLIF(), currents((2, 3, 4, 5, 6))).shape == (2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": 1.5}, r"`beta` must be a finite number in \[0.0, 1.0\]. Received: beta=1.5"),
        ({"beta": float("nan")}, "Received: beta=nan"),
        ({"beta": 0.5, "tau": 2.0}, "not both. Received: beta=0.5, tau=2.0"),
        ({"tau": 0.0}, "Received: tau=0.0"),
        ({"threshold": -1.0}, "`threshold` must be a finite number in .* Received: threshold=-1.0"),
        ({"threshold": float("inf")}, "Received: threshold=inf"),
        ({"reset": "gentle"}, "choose one of 'hard', 'soft', 'none'. Received: reset='gentle'"),
        ({"refractory_steps": -1}, "`refractory_steps` must be an integer of at least 0"),
        ({"surrogate": "cubic"}, "choose one of 'atan', 'sigmoid', .* Received: surrogate='cubic'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SpikingLIF(**arguments)


def test_bad_inputs():
    with pytest.raises(ValueError, match=r"\(batch, time, ...\). Received: shape=\(3,\)"):
        SpikingLIF()(np.zeros(3, "float32"))
    with pytest.raises(ValueError, match="at least one time step"):
        SpikingLIF()(np.zeros((2, 0, 3), "float32"))
    with pytest.raises(ValueError, match="fixed batch size"):
        keras.Sequential([keras.Input((4, 3)), SpikingLIF(stateful=True)])
    with pytest.raises(ValueError, match=r"must hold 2 tensors .* Received: 1 tensors"):
        SpikingLIF(refractory_steps=1)(np.zeros((2, 4, 3), "float32"), initial_state=np.zeros((2, 3)))


def stateful_network(batch_size=2, **kwargs):
    stage = SpikingStage(keras.layers.Dense(8), neuron=SpikingLIF(stateful=True), name="stage")
    layers = [keras.Input(batch_shape=(batch_size, 5, 4)), stage, Readout(keras.layers.Dense(3), "softmax")]
    model = keras.Sequential(layers)
    model.compile("sgd", "sparse_categorical_crossentropy", **kwargs)
    return model


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("way", ["call", "predict", "train_on_batch"])
def test_a_stateful_layer_takes_batches_of_its_states_size(way, batch_size):
    model = stateful_network(run_eagerly=True)
    x = np.ones((batch_size, 5, 4), "float32")
    ways = {
        "call": lambda: model(x),
        "predict": lambda: model.predict(x, verbose=0),
        "train_on_batch": lambda: model.train_on_batch(x, np.zeros(batch_size)),
    }
    message = rf"states for a batch of 2, and take no other. .* Received: a batch of {batch_size}"
    with pytest.raises(ValueError, match=message):
        ways[way]()


def test_the_last_batch_of_a_stateful_network_may_be_too_small():
    with pytest.raises(ValueError, match="Drop or fill up an incomplete batch"):
        stateful_network(run_eagerly=True).fit(np.ones((3, 5, 4)), np.zeros(3), batch_size=2, verbose=0)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_compiled_stateful_network_checks_batches_of_unknown_size(jit_compile):
    """On TensorFlow, compiled functions know the size only as they run; XLA has no assertions."""
    if keras.backend.backend() == "torch" and jit_compile:
        pytest.skip("PyTorch's compiler is not used")
    model = stateful_network(jit_compile=jit_compile)
    x, y = np.ones((4, 5, 4)), np.zeros(4)
    model.fit(x, y, batch_size=2, verbose=0)
    match = (
        "spiking_lif.*batch_size_of_state" if keras.backend.backend() == "tensorflow" and jit_compile else None
    )
    with pytest.raises(Exception, match=match or "states for a batch of 2"):
        model.evaluate(x[:1], y[:1], verbose=0)


def test_a_stateful_network_trains_as_any_other():
    """The state is carried from batch to batch, and no gradient goes into the batch before."""
    encoder = keras.Sequential(
        [
            keras.Input(batch_shape=(2, 4)),
            SpikingDense(8, timesteps=3, neuron=SpikingLIF(stateful=True)),
            Readout(keras.layers.Dense(3), "softmax"),
        ]
    )
    model = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder), rule="surrogate")
    model.compile(run_eagerly=True)
    model.fit(np.random.default_rng(0).random((6, 4)), np.arange(6) % 3, batch_size=2, verbose=0)
    (state,) = model.encoder_stages[0].neuron.states
    assert np.abs(ops.convert_to_numpy(state)).max() > 0


def test_reset_before_the_first_call():
    with pytest.raises(
        ValueError, match=r"`reset_state` needs a layer that has its state. Received: 'neurons'"
    ):
        SpikingLIF(stateful=True, name="neurons").reset_state()
    SpikingLIF().reset_state()  # nothing to reset


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 2), "a row for each of the currents' rows. Received: a batch of 1 for 3"),
        ((3, 1), r"must hold tensors \(batch, 2\). Received: shape=\(3, 1\)"),
    ],
)
def test_an_initial_state_fits_the_currents(shape, message):
    with pytest.raises(ValueError, match=message):
        SpikingLIF()(np.ones((3, 4, 2), "float32"), initial_state=np.ones(shape, "float32"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_initial_state_must_be_finite(value):
    with pytest.raises(
        ValueError, match=r"`initial_state` must be finite\. Received: NaN or infinity in 1 of 3"
    ):
        SpikingLIF()(np.ones((3, 4, 2), "float32"), initial_state=np.array([[0, 0], [0, value], [0, 0]]))


def test_a_stateful_neuron_has_no_single_steps():
    model = stateful_network()
    message = "Stage 'stage' cannot process a single time step in a StateScope"
    with pytest.raises(ValueError, match=message), keras_bsd.StateScope(single_step=True):
        model(np.ones((2, 1, 4), "float32"))
