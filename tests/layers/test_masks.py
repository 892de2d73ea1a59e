"""Padded sequences, with a mask, have the scores and the updates of sequences without padding."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd import StateScope, _rules
from keras_bsd.layers import (
    CausalStandardization,
    Destandardize,
    Readout,
    SequenceReadout,
    SpikingDense,
    SpikingLIF,
    SpikingRecurrent,
    SpikingStage,
    Stage,
)
from keras_bsd.models._distillation import run_locally
from tests.gradients import weight_gradients

Dense = keras.layers.Dense
FULL, LENGTH = 9, 5
# Where the five elements or time steps stand among nine.
PLACES = {"right": [0, 1, 2, 3, 4], "left": [4, 5, 6, 7, 8], "middle": [0, 2, 3, 7, 8]}
GENERATOR = np.random.default_rng(0)


def pad(x, places, fill=-1.0):
    padded = np.full((len(x), FULL, *x.shape[2:]), fill, x.dtype)
    padded[:, places] = x
    return padded


def network(make_layers, features=(4,)):
    keras.utils.set_random_seed(0)  # initialisers draw their seeds as layers are made
    return keras.Sequential([keras.Input((None, *features)), keras.layers.Masking(-1.0), *make_layers()])


def lif(**kwargs):
    return SpikingLIF(beta=0.8, threshold=0.4, **kwargs)


NETWORKS = {
    "dense": lambda: [SpikingDense(8, neuron=lif()), SpikingDense(6, normalization="layer"), Readout(Dense(3))],
    "no normalisation": lambda: [SpikingStage(Dense(8), lif(reset="soft")), Readout(Dense(3))],
    "refractory": lambda: [SpikingStage(Dense(8), lif(refractory_steps=1)), Readout(Dense(3))],
    "recurrent": lambda: [SpikingRecurrent(8, timesteps=3, delays=3), SequenceReadout(Dense(3))],
    "deep": lambda: [
        SpikingRecurrent(8, timesteps=2, delays=2, neuron=lif(refractory_steps=1)),
        SpikingRecurrent(6, normalization=None),
        SequenceReadout(Dense(3)),
    ],
    "last": lambda: [
        SpikingRecurrent(8, timesteps=3, delays=3, targets="last"),
        SpikingRecurrent(6, delays=2, targets="last"),
        SequenceReadout(Dense(3), targets="last"),
    ],
}


def spikes(count=6, features=(4,)):
    return GENERATOR.random((count, LENGTH, *features)).astype("float32")


def compare(network, x, places, training=False):
    """Return the outputs with and without padding, both without it."""
    expected, padded = (ops.convert_to_numpy(network(v, training=training)) for v in (x, pad(x, places)))
    return expected, padded[:, places] if padded.ndim == 3 else padded


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", NETWORKS)
def test_scores_of_padded_sequences(name, place):
    model = network(NETWORKS[name])
    expected, padded = compare(model, spikes(), PLACES[place])
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(padded, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["dense", "deep", "last"])
def test_compiled_networks_take_padded_sequences_of_any_length(name):
    model, x = network(NETWORKS[name]), spikes()
    model.compile("sgd", "mse")
    expected, padded = (model.predict(v, verbose=0) for v in (x, pad(x, PLACES["right"])))
    np.testing.assert_allclose(padded[:, :LENGTH] if padded.ndim == 3 else padded, expected, atol=1e-6)


def test_sequences_of_several_lengths_in_one_batch():
    model, x = network(NETWORKS["deep"]), spikes(3)
    batch = np.full((3, FULL, 4), -1.0, "float32")
    for row, length in zip(range(3), (5, 2, 4), strict=True):
        batch[row, row : row + length] = x[row, :length]
    padded = ops.convert_to_numpy(model(batch))
    for row, length in zip(range(3), (5, 2, 4), strict=True):
        alone = ops.convert_to_numpy(model(x[row : row + 1, :length]))
        np.testing.assert_allclose(padded[row, row : row + length], alone[0], atol=1e-6)


def step(model, x, rule):
    """Return the gradients and representations of a local step, and all variables after it."""
    upstream = {}

    def loss():
        _, scope = run_locally(model, ops.convert_to_tensor(x), _rules.RULES[rule])
        total = 0.0
        for stage, rates in scope.representations.items():
            rates = ops.reshape(rates, (len(x), -1, rates.shape[-1]))
            if rates.shape[1] == FULL:
                rates = ops.take(rates, ops.convert_to_tensor(step.places), axis=1)
            upstream.setdefault(stage.name, np.random.default_rng(1).normal(size=rates.shape).astype("float32"))
            total = (
                total
                + ops.sum(rates * ops.convert_to_tensor(upstream[stage.name]))
                + 100 * ops.sum(ops.mean(rates, axis=(1, 2)))
            )
        return total

    variables = [
        v for layer in model.layers if isinstance(layer, SpikingStage) for v in layer.trainable_variables
    ]
    return weight_gradients(loss, variables)


@functools.cache
def step_without_padding(name, rule):
    x = spikes()
    gradients = step(network(NETWORKS[name]), x, rule)
    assert any(np.abs(gradient).max() > 1e-3 for gradient in gradients)
    return x, gradients


@pytest.mark.parametrize("rule", ["rate", "surrogate"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", NETWORKS)
def test_local_updates_of_padded_sequences(name, place, rule):
    x, expected = step_without_padding(name, rule)
    step.places = PLACES[place]
    padded = step(network(NETWORKS[name]), pad(x, PLACES[place]), rule)
    for a, b in zip(expected, padded, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-4)


def train(name, x, y):
    """Return the loss of one batch, and the weights and moving statistics after it."""
    model = network(NETWORKS[name])
    model.compile("sgd", "mse", run_eagerly=True)
    loss = model.train_on_batch(x, y)
    return [np.asarray(loss), *[ops.convert_to_numpy(weight) for weight in model.weights]]


@functools.cache
def trained_without_padding(name):
    elements = len(network(NETWORKS[name]).output_shape) == 3
    x, y = spikes(), GENERATOR.random((6, LENGTH, 3) if elements else (6, 3))
    return x, y, train(name, x, y)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["dense", "deep", "last"])
def test_backpropagation_of_padded_sequences(name, place):
    """Weights and moving statistics after training are the same."""
    x, y, expected = trained_without_padding(name)
    padded = train(name, pad(x, PLACES[place]), pad(y, PLACES[place]) if y.ndim == 3 else y)
    for a, b in zip(expected, padded, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axis", [-1, 1])
def test_statistics_of_maps_leave_padding_out(axis):
    x, mask = spikes(3, (6, 5, 2)), np.zeros((3, FULL), "bool")
    mask[:, PLACES["middle"]] = True
    results = []
    for inputs, options in ((x, {}), (pad(x, PLACES["middle"]), {"mask": mask})):
        keras.utils.set_random_seed(0)
        stage = SpikingStage([keras.layers.Conv2D(3, 3), keras.layers.BatchNormalization(axis)])
        readout = Readout([keras.layers.Flatten(), Dense(2)])
        scores = readout(stage(inputs, training=True, **options))  # Keras passes the mask on
        results.append([ops.convert_to_numpy(v) for v in (scores, *stage.weights)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def characters(length=None):
    keras.utils.set_random_seed(0)
    tokens = keras.Input((length,), dtype="int32")
    table = np.vstack([np.zeros(3), np.eye(3)])
    embedding = keras.layers.Embedding(4, 3, mask_zero=True, trainable=False, weights=[table])
    first = SpikingRecurrent(7, delays=2, timesteps=2, name="first")(embedding(tokens))
    second = SpikingRecurrent(6, name="second")(first)
    encoder = keras.Model(tokens, SequenceReadout(Dense(4), "softmax")(second))
    stages = [SpikingDense(6, normalization="layer", timesteps=2), SpikingDense(7, normalization="layer")]
    decoder = keras.Sequential([keras.Input((4,)), *stages, Readout(Dense(4))])
    return encoder, decoder


def learn(data, length, **options):
    """Return the logs and weights of a pair after one batch."""
    compilation = {"jit_compile": True} if options.pop("jit_compile", False) else {"run_eagerly": True}
    model = keras_bsd.BSDSequenceModel(*characters(length), local_readout_weight=0.5, **options)
    model.compile("sgd", weighted_metrics=["accuracy"], **compilation)
    logs = model.fit(*data, verbose=0).history
    if keras.backend.backend() == "jax":  # Keras's own metrics get no masks there
        logs.pop("accuracy")
    return logs, [ops.convert_to_numpy(weight) for weight in model.weights]


@functools.cache
def learnt_without_padding(rule, codebook):
    data = [GENERATOR.integers(1, 4, (4, LENGTH)).astype("int32") for _ in range(2)]
    return data, learn(data, LENGTH, rule=rule, codebook=codebook)


@pytest.mark.parametrize(
    ("rule", "codebook", "place", "jit_compile"),
    [
        *(("rate", False, place, False) for place in PLACES),
        ("rate", True, "middle", False),
        ("surrogate", True, "left", False),
        ("surrogate", False, "right", False),
        pytest.param("rate", False, "middle", True, marks=pytest.mark.slow),
    ],
)
def test_a_pair_learns_the_same_from_padded_sequences(rule, codebook, place, jit_compile):
    """Masked elements are samples of no loss, metric or log."""
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("PyTorch's compiler is not used")
    data, (expected_logs, expected) = learnt_without_padding(rule, codebook)
    padded = [pad(values, PLACES[place], 0) for values in data]
    logs, weights = learn(padded, FULL, rule=rule, codebook=codebook, jit_compile=jit_compile)
    assert logs.keys() == expected_logs.keys()
    for name, value in expected_logs.items():
        np.testing.assert_allclose(logs[name], value, rtol=1e-4, err_msg=name)
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_weights_and_masks_of_elements_multiply():
    x, y = (GENERATOR.integers(1, 4, (4, LENGTH)).astype("int32") for _ in range(2))
    weights = GENERATOR.integers(0, 3, (4, LENGTH)).astype("float32")
    losses = []
    for places in (None, PLACES["left"]):
        model = keras_bsd.BSDSequenceModel(*characters(), codebook=False)
        model.compile()
        data = (x, y, weights) if places is None else [pad(v, places, 0) for v in (x, y, weights)]
        _, *values = model.distil(*map(ops.convert_to_tensor, data))
        losses.append([float(ops.convert_to_numpy(value)) for value in keras.tree.flatten(values)])
    np.testing.assert_allclose(*losses, rtol=1e-5, atol=1e-7)


def test_a_state_is_held_where_a_sequence_is_padded():
    x = spikes(2)
    for make in (lambda: SpikingRecurrent(7, delays=3, timesteps=2, neuron=lif(refractory_steps=1)),):
        stage = make()
        mask = np.zeros((2, FULL), "bool")
        mask[:, PLACES["middle"]] = True
        with StateScope() as expected:
            stage(x)
        with StateScope() as scope:
            stage(pad(x, PLACES["middle"]), mask=mask)
        for state, value in zip(scope.states[stage.path], expected.states[stage.path], strict=True):
            np.testing.assert_allclose(*map(ops.convert_to_numpy, (state, value)), atol=1e-6)


def test_single_time_steps_may_be_masked():
    model, x = network(lambda: [SpikingStage(Dense(8), lif()), Readout(Dense(3))]), spikes(3)
    padded, states = pad(x, PLACES["middle"]), None
    for t in range(FULL):
        with StateScope(states, single_step=True) as scope:
            scores = model(padded[:, t : t + 1])
        states = scope.states
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (scores, model(x))), atol=1e-6)


@pytest.mark.parametrize("place", PLACES)
def test_standardised_forecasts_of_padded_series(place):
    series = keras.Input((None, 2))
    masked = keras.layers.Masking(-1.0)(series)
    standardized, deviations = CausalStandardization(3)(masked)
    spikes_ = SpikingRecurrent(6, timesteps=2, targets="last")(standardized)
    multiples = SequenceReadout([Dense(6), keras.layers.Reshape((3, 2))], targets="last")(spikes_)
    model = keras.Model(series, Destandardize()([multiples, masked, deviations]))
    x = spikes(4, (2,))
    padded = model(pad(x, PLACES[place]))
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (padded, model(x))), atol=1e-5)


def test_a_sequence_without_elements_has_finite_scores_and_no_spikes():
    for name in ("dense", "deep", "last"):
        model = network(NETWORKS[name])
        x = np.full((2, FULL, 4), -1.0, "float32")
        assert np.isfinite(ops.convert_to_numpy(model(x, training=True))).all()
        assert all(
            np.isfinite(gradient).all()
            for gradient in weight_gradients(
                lambda model=model, x=x: ops.sum(model(x, training=True)), model.trainable_variables
            )
        )


class PlainStage(Stage):
    def build(self, input_shape):
        self.synapse.build((None, *input_shape[2:]))
        super().build(input_shape)

    def call_local(self, inputs, training):
        return self.synapse(ops.mean(inputs, axis=1))


@pytest.mark.parametrize(
    ("stage", "mask", "message"),
    [
        (lambda: PlainStage(Dense(3), name="plain"), (2, 5), "'plain' .* does not support masking"),
        (lambda: SpikingDense(3, timesteps=2, name="held"), (2, 5), "'held' holds a stimulus"),
        (lambda: SpikingDense(3, name="maps"), (2, 5, 4), r"'maps' .* must have shape \(batch, time\)"),
    ],
)
def test_a_mask_that_cannot_be_used_is_an_error(stage, mask, message):
    with pytest.raises(ValueError, match=message):
        stage()(np.ones((2, 5, 4), "float32"), mask=np.ones(mask, "bool"))


def test_a_pair_for_forecasts_refuses_padded_windows():
    window = keras.Input((5, 2))
    masked = keras.layers.Masking(-1.0)(window)
    standardized, deviations = CausalStandardization(3)(masked)
    spikes_ = SpikingRecurrent(6, timesteps=2, targets="last")(standardized)
    multiples = SequenceReadout([Dense(6), keras.layers.Reshape((3, 2))], targets="last")(spikes_)
    encoder = keras.Model(window, Destandardize()([multiples, masked, deviations]))
    stages = [SpikingDense(6, timesteps=2), Readout([Dense(10), keras.layers.Reshape((5, 2))])]
    model = keras_bsd.BSDForecastModel(encoder, keras.Sequential([keras.Input((3, 2)), *stages]))
    model.compile()
    with pytest.raises(ValueError, match=r"takes whole windows.* an encoder that masks elements"):
        model.distil(np.ones((2, 5, 2), "float32"), np.ones((2, 3, 2), "float32"))
