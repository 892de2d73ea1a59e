"""Neurons of every kind: equality with recursions in NumPy, the contract, and all that stages do with them."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import keras_bsd
from keras_bsd.layers import (
    Readout,
    SpikingALIFCell,
    SpikingCell,
    SpikingConv2D,
    SpikingCuBaLIFCell,
    SpikingDense,
    SpikingIFCell,
    SpikingLIF,
    SpikingLIFCell,
    SpikingNeurons,
    check_spiking_cell,
)

CELLS = {
    "IF": SpikingIFCell,
    "LIF": lambda **options: SpikingLIFCell(beta=0.8, **options),
    "CuBa": lambda **options: SpikingCuBaLIFCell(beta=0.8, synaptic_beta=0.4, **options),
    "ALIF": lambda **options: SpikingALIFCell(beta=0.8, adaptation=0.3, adaptation_beta=0.7, **options),
}


def _currents(shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).normal(0.3, 0.6, shape).astype(dtype)


def _recursion(currents, beta, alpha, rho, kappa, threshold, reset, refractory_steps):
    """Return spikes of neurons with a synaptic current (`alpha` 0 for none) and an adaptation (`kappa` 0)."""
    batch, steps, units = currents.shape
    spikes = np.zeros_like(currents)
    for b in range(batch):
        for j in range(units):
            membrane = current = adaptation = 0.0
            silent = 0
            for t in range(steps):
                current = alpha * current + currents[b, t, j]
                membrane = beta * membrane + (0.0 if silent else current)
                spiked = not silent and membrane >= threshold + kappa * adaptation
                adaptation = rho * adaptation + spiked
                if spiked:
                    membrane = {"hard": 0.0, "soft": membrane - threshold, "none": membrane}[reset]
                silent = refractory_steps if spiked else max(silent - 1, 0)
                spikes[b, t, j] = spiked
    return spikes


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["IF", "CuBa", "ALIF"]),
    beta=st.floats(0, 1),
    other=st.floats(0, 1),
    kappa=st.floats(0, 1),
    threshold=st.floats(0.05, 2),
    reset=st.sampled_from(["hard", "soft", "none"]),
    refractory_steps=st.integers(0, 2),
    steps=st.integers(1, 36),
    seed=st.integers(0, 99),
)
def test_equals_the_recursion(kind, beta, other, kappa, threshold, reset, refractory_steps, steps, seed):
    shared = {"threshold": threshold, "reset": reset, "refractory_steps": refractory_steps, "dtype": "float64"}
    cell, numbers = {
        "IF": (lambda: SpikingIFCell(**shared), (1, 0, 0, 0)),
        "CuBa": (lambda: SpikingCuBaLIFCell(beta=beta, synaptic_beta=other, **shared), (beta, other, 0, 0)),
        "ALIF": (
            lambda: SpikingALIFCell(beta=beta, adaptation=kappa, adaptation_beta=other, **shared),
            (beta, 0, other, kappa),
        ),
    }[kind]
    data = _currents((2, steps, 3), seed)
    expected = _recursion(data, *numbers, threshold, reset, refractory_steps)
    np.testing.assert_array_equal(ops.convert_to_numpy(SpikingNeurons(cell())(data)), expected)


@pytest.mark.parametrize(
    ("granularity", "refractory_steps", "detach_reset"),
    [("layer", 0, True), ("neuron", 2, True), ("channel", 1, False)],
)
@pytest.mark.parametrize("reset", ["hard", "soft", "none"])
@pytest.mark.parametrize("kind", CELLS)
def test_every_cell_fulfils_the_contract(kind, reset, detach_reset, refractory_steps, granularity):
    """The derivatives carried forward equal the gradient through time, for all that is learned."""
    options = {
        "reset": reset,
        "detach_reset": detach_reset,
        "refractory_steps": refractory_steps,
        "granularity": granularity,
        "trainable_threshold": True,
        **({} if kind == "IF" else {"trainable_leak": True}),
    }
    check_spiking_cell(lambda: CELLS[kind](**options))


class _Broken(SpikingLIFCell):
    """Neurons that leak in the tangents alone."""

    def partial(self, parameter, states, able):
        return [2 * states[0]]


class _Forgetful(SpikingLIFCell):
    def get_config(self):
        return {**super().get_config(), "beta": 0.1}


class _Analogue(SpikingLIFCell):
    def call(self, inputs, states, training=False):
        spikes, states = super().call(inputs, states, training)
        return 0.5 * spikes, states


class _Nonlinear(SpikingLIFCell):
    def integrate(self, inputs, states, able):
        membrane = 0.5 * ops.square(states[0])
        return [membrane if inputs is None else membrane + able(inputs)]


class _WithMemory(SpikingLIFCell):
    """Neurons that count calls, outside their states."""

    calls = 0

    def call(self, inputs, states, training=False):
        self.calls += 1
        return super().call(inputs + 0.2 * self.calls, states, training)


class _WithoutMembrane(SpikingLIFCell):
    dynamics = ("potential",)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpikingLIF(), "`make` must return a SpikingCell. Received: <SpikingLIF"),
        (lambda: _Broken(trainable_leak=True), "_Broken must carry forward .* the derivative by the leak"),
        (_Forgetful, "_Forgetful must spike alike after `from_config`"),
        (_Analogue, r"_Analogue must emit spikes of 0 and 1. Received: spikes of \[0.0, 0.5\]"),
        (_Nonlinear, "_Nonlinear must carry forward in `linearize` the derivative by the current"),
        (_WithMemory, "_WithMemory must"),
        (
            _WithoutMembrane,
            r"must name the membrane first in `dynamics`. Received: state_names=\('potential',\)",
        ),
    ],
)
def test_a_broken_cell_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        check_spiking_cell(make)


def _encoder(make, **options):
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            SpikingConv2D(3, timesteps=5, neuron=make(**options), name="maps"),
            SpikingDense(8, neuron=SpikingNeurons(make(**options)), name="hidden"),
            Readout(keras.layers.Dense(3), "softmax", name="scores"),
        ]
    )


def _data(count=12):
    generator = np.random.default_rng(0)
    return generator.uniform(0, 2, (count, 6, 6, 1)).astype("float32"), np.arange(count) % 3


@pytest.mark.parametrize("kind", ["CuBa", "ALIF"])
@pytest.mark.parametrize("rule", ["rate", "surrogate"])
def test_pairs_train_leaks_and_thresholds_of_their_own_within_bounds(kind, rule, tmp_path):
    options = {"granularity": "channel", "trainable_leak": True, "trainable_threshold": True}
    encoder = _encoder(CELLS[kind], **options)
    model = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder), rule=rule)
    model.compile(optimizer=keras.optimizers.SGD(0.5))
    cell = model.encoder_stages[1].neuron.cell
    before = [ops.convert_to_numpy(weight) for weight in cell.weights]
    x, y = _data()
    model.fit(x, y, epochs=2, verbose=0)
    assert {weight.shape for weight in cell.weights} == {(8,)}
    learned = [ops.convert_to_numpy(weight) for weight in cell.trainable_weights]
    for weight, first in zip(learned, before, strict=False):
        assert len(np.unique(weight)) > 1
        assert not np.array_equal(weight, first)
    for weight in learned[1:]:
        assert weight.min() >= 0
        assert weight.max() <= 1
    assert learned[0].min() >= np.float32(1e-3)
    model.save(tmp_path / "pair.keras")
    loaded = keras.saving.load_model(tmp_path / "pair.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_a_decoder_mirrors_the_kind_of_neurons():
    decoder = keras_bsd.mirror(_encoder(CELLS["ALIF"], granularity="neuron"))
    cells = [stage.neuron.cell for stage in keras_bsd.layers.flatten_stages(decoder)[:-1]]
    assert [type(cell) for cell in cells] == [SpikingALIFCell] * 2
    assert [cell.threshold.shape for cell in cells] == [(8,), (3, 3, 3)] or cells[1].threshold.shape[-1] == 3


def test_initial_values_of_neurons_may_be_drawn():
    beta = keras.initializers.RandomUniform(0.2, 1.5, seed=0)
    cell = SpikingLIFCell(beta=beta, granularity="neuron")
    cell.build((None, 50))
    leaks = ops.convert_to_numpy(cell.leak)
    assert (leaks <= 1).all()
    assert len(np.unique(leaks)) > 20
    assert not cell.trainable_weights
    copy = SpikingLIFCell.from_config(cell.get_config())
    copy.build((None, 50))
    np.testing.assert_array_equal(ops.convert_to_numpy(copy.leak), leaks)


def test_neurons_with_leaks_of_their_own_equal_those_with_one_each():
    data, betas = _currents((2, 9, 3), dtype="float32"), np.array([0.2, 0.6, 0.95], "float32")
    layer = SpikingLIF(granularity="neuron")
    layer.build(data.shape)
    layer.cell.leak.assign(betas)
    spikes = ops.convert_to_numpy(layer(data))
    for i, beta in enumerate(betas):
        np.testing.assert_array_equal(
            spikes[..., [i]], ops.convert_to_numpy(SpikingLIF(float(beta))(data[..., [i]]))
        )


@pytest.mark.parametrize("kind", CELLS)
def test_recurrent_stages_take_every_cell(kind):
    """An element's time steps start from the state that the one before has left."""
    x = np.random.default_rng(0).uniform(0, 3, (2, 4, 3)).astype("float32")
    stage = keras_bsd.layers.SpikingRecurrent(6, timesteps=3, neuron=CELLS[kind](), normalization=None)
    stage.build(x.shape)
    stage.recurrent.kernel.assign(ops.zeros((6, 6)))
    spikes = ops.convert_to_numpy(stage(x))
    currents = ops.repeat(stage.synapse(x), 3, axis=1)
    expected = ops.convert_to_numpy(SpikingNeurons(CELLS[kind]())(currents))
    np.testing.assert_array_equal(spikes.reshape(expected.shape), expected)
    assert 0 < expected.mean() < 1


@pytest.mark.parametrize("kind", CELLS)
def test_onnx_and_streaming_files_spike_like_keras(kind, tmp_path):
    encoder = _encoder(CELLS[kind], granularity="channel")
    x, _ = _data()
    for streaming in (False, True):
        path = tmp_path / f"{streaming}.onnx"
        outputs = ("scores",) if streaming else ("scores", "spike_counts")
        keras_bsd.export.export_onnx(encoder, path, outputs=outputs, streaming=streaming)
        report = keras_bsd.export.check_onnx(encoder, path, x)["outputs"]
        assert report["scores"]["same"] == 1
        assert all(result.get("unexplained", 0) == 0 for result in report.values())


@pytest.mark.parametrize(
    ("kind", "macs", "acs"),
    [("IF", 0, 2), ("LIF", 1, 1), ("CuBa", 2, 1), ("ALIF", 3, 1)],
)
def test_operations_of_a_time_step(kind, macs, acs):
    stage = keras_bsd.layers.SpikingStage(keras.layers.Identity(), CELLS[kind](), name="stage")
    encoder = keras.Sequential([keras.Input((4, 3)), stage])
    costs = keras_bsd.audit.energy(encoder, np.ones((2, 4, 3), "float32")).layers
    (cost,) = [cost for cost in costs if cost.neurons]
    assert (cost.macs, cost.acs) == (macs * 12, acs * 12)


def test_an_adaptive_threshold_is_in_the_membranes_of_an_audit():
    encoder = keras.Sequential(
        [keras.Input((1,)), SpikingDense(1, None, SpikingALIFCell(beta=0.0, adaptation=0.5), 3, name="stage")]
    )
    encoder.get_layer("stage").synapse.layers[1].kernel.assign([[1.0]])
    traces = keras_bsd.audit.membranes(encoder, "stage", np.full((1, 1), 2.0, "float32"))
    np.testing.assert_allclose(traces["threshold"][0, :, 0], [0.6, 1.1, 0.6 + 0.5 * 1.9], rtol=1e-5)
    assert keras_bsd.plots.membranes(traces["membranes"][0], traces["spikes"][0], traces["threshold"][0], (0,))


def test_applications_take_cells_and_remember_them(tmp_path):
    neuron = SpikingCuBaLIFCell(tau=3.0, synaptic_tau=2.0)
    model = keras_bsd.applications.SpikingMLP((4,), 3, units=(5, 4), neuron=neuron)
    assert [type(stage.neuron.cell) for stage in model.encoder_stages] == [SpikingCuBaLIFCell] * 2
    model.save(tmp_path / "pair.keras")
    again = keras_bsd.applications.SpikingMLP(weights=tmp_path / "pair.keras")
    assert again.encoder_stages[0].neuron.cell.synaptic_leak == pytest.approx(np.exp(-0.5))
    same = keras_bsd.applications.SpikingMLP(weights=tmp_path / "pair.keras", neuron=neuron)
    x = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(same.predict(x, verbose=0), model.predict(x, verbose=0))
    with pytest.raises(ValueError, match="Omit the arguments that the file provides"):
        keras_bsd.applications.SpikingMLP(weights=tmp_path / "pair.keras", neuron={"beta": 0.9})


def test_stages_do_not_share_a_cell():
    cell = SpikingCuBaLIFCell(beta=0.9)
    network = keras.Sequential(
        [keras.Input((4,)), SpikingDense(6, neuron=cell, timesteps=3), SpikingDense(5, neuron=cell)]
    )
    first, second = (stage.neuron.cell for stage in network.layers)
    assert first is cell
    assert second is not cell
    assert second.leak == 0.9
    learned = SpikingLIFCell(trainable_leak=True)
    stages = [SpikingDense(6, neuron=learned, timesteps=3), SpikingDense(6, neuron=learned, name="second")]
    with pytest.raises(ValueError, match="Stage 'second' needs a `neuron` of its own"):
        keras.Sequential([keras.Input((4,)), *stages])


def test_what_applications_are_given_is_kept(tmp_path):
    neuron = SpikingNeurons(SpikingALIFCell(beta=0.7, trainable_leak=True, trainable=False))
    model = keras_bsd.applications.SpikingMLP((4,), 3, units=(5,), neuron=neuron)
    assert not model.encoder_stages[0].neuron.cell.trainable_weights
    model.save(tmp_path / "pair.keras")
    keras_bsd.applications.SpikingMLP(weights=tmp_path / "pair.keras", neuron=neuron)
    frozen = SpikingLIF(trainable_leak=True, trainable=False)
    model = keras_bsd.applications.SpikingMLP((4,), 3, units=(5,), neuron=frozen)
    assert not model.encoder_stages[0].neuron.trainable_weights


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpikingLIFCell(beta=lambda shape, dtype: 0.5), "`beta` must be a finite number"),
        (lambda: SpikingNeurons(SpikingLIF()), "`cell` must be a SpikingCell, .* Received: cell=<SpikingLIF"),
        (
            lambda: SpikingCuBaLIFCell(synaptic_beta=2),
            r"`synaptic_beta` must be a .* Received: synaptic_beta=2",
        ),
        (
            lambda: SpikingCuBaLIFCell(synaptic_beta=0.5, synaptic_tau=2.0),
            "by `synaptic_beta` or by `synaptic_tau`, not both",
        ),
        (lambda: SpikingALIFCell(adaptation=-1), "`adaptation` must be .* Received: adaptation=-1"),
        (lambda: SpikingALIFCell(adaptation_beta=2), "`adaptation_beta` must be"),
        (lambda: SpikingLIF(granularity="pixel"), "one of 'layer', 'channel', 'neuron'"),
        (
            lambda: SpikingIFCell(3).build((None, 4)),
            r"`units` must be the shape of .* \(4,\). Received: units=3",
        ),
        (
            lambda: SpikingLIFCell(granularity="neuron").build((None, None, 4)),
            r"granularity='neuron' need known sizes. Received: a shape of \(None, 4\)",
        ),
        (lambda: SpikingDense(3, neuron=keras.layers.ReLU()), "`neuron` must be a SpikingLIF, other"),
        (lambda: SpikingCell().integrate(None, [], None), "integrate"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises((ValueError, NotImplementedError), match=message):
        make()
