"""Counter-current learning, against NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd import baselines
from keras_bsd.layers import Readout, SpikingDense, SpikingStage
from keras_bsd.losses import Pairing, ReCo
from tests.baselines import reference
from tests.gradients import weight_gradients
from tests.layers import lif_reference


def small_decoder():
    """Return the mirror image of `reference.small_encoder`, without normalisation."""
    return keras.Sequential(
        [
            keras.Input((3,)),
            SpikingStage(keras.layers.Dense(7), timesteps=reference.STEPS, name="upper_mirror"),
            SpikingStage(keras.layers.Dense(6), name="lower_mirror"),
            Readout(keras.layers.Dense(4), name="stimulus"),
        ]
    )


def dense_encoder():
    return keras_bsd.applications.SpikingMLP((4,), classes=3, units=(9, 8), timesteps=3).encoder


def prototypes_of(decoder):
    """Return the decoder's firing rates for each class, in the encoder's order, in NumPy."""
    weights = [ops.convert_to_numpy(weight).astype("float64") for weight in decoder.weights]
    signal, rates = np.repeat(np.eye(3)[:, None], reference.STEPS, axis=1), []
    for kernel, bias in ((weights[0], weights[1]), (weights[2], weights[3])):
        signal, _ = lif_reference.forward(signal @ kernel + bias, reference.BETA, reference.THRESHOLD)
        rates.append(signal.mean(axis=1))
    return rates[::-1]


def unit(rows, centring="batch", present=None):
    if centring == "batch":
        rows = rows - (rows if present is None else rows[present]).mean(axis=0)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 1e-6, norms, 1)


def loss_of(rates, prototypes, same, own_weight=0.5, centring="batch"):
    """Return the loss of each sample by the formula of the docstring."""
    rows, columns = unit(rates, centring), unit(prototypes, centring)
    across = ((rows @ columns.T - same) ** 2).mean(axis=1)
    samples = ((rows @ rows.T - np.eye(len(rows))) ** 2).mean(axis=1)
    concepts = ((columns @ columns.T - np.eye(len(columns))) ** 2).mean()
    return across + own_weight * (samples + concepts)


def numerical_gradient(function, values, step=1e-6):
    gradient = np.zeros_like(values)
    for index in np.ndindex(values.shape):
        ends = []
        for sign in (1, -1):
            moved = values.copy()
            moved[index] += sign * step
            ends.append(function(moved))
        gradient[index] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def test_each_stage_learns_from_its_affinities_with_the_prototypes_and_between_samples():
    encoder, decoder = reference.small_encoder(), small_decoder()
    model = baselines.CounterCurrent(encoder, decoder, rule="surrogate")
    forward, prototypes = reference.Forward(encoder), prototypes_of(decoder)
    by_rates = [
        numerical_gradient(lambda values, p=p: loss_of(values, p, forward.onehot).mean(), rates)
        for rates, p in zip(forward.rates, prototypes, strict=True)
    ]
    errors = (forward.probabilities - forward.onehot) / reference.BATCH
    expected = [*reference.updates_by_rates(forward, by_rates), forward.rates[1].T @ errors]
    for update, value in zip(reference.updates_of(model), expected, strict=True):
        assert np.abs(value).max() > 1e-3
        np.testing.assert_allclose(update, value, rtol=1e-3, atol=1e-6)


def test_the_decoders_stages_learn_from_the_same_loss():
    encoder, decoder = reference.small_encoder(), small_decoder()
    model = baselines.CounterCurrent(encoder, decoder, rule="surrogate")
    model.compile(loss="sparse_categorical_crossentropy")
    forward, (_, upper) = reference.Forward(encoder), prototypes_of(decoder)
    by_rates = numerical_gradient(lambda p: loss_of(forward.rates[1], p, forward.onehot).mean(), upper)
    first = decoder.layers[0].synapse.layers[0]
    kernel, bias = (ops.convert_to_numpy(weight).astype("float64") for weight in (first.kernel, first.bias))
    concepts = np.repeat(np.eye(3)[:, None], reference.STEPS, axis=1)
    by_currents = lif_reference.gradient(
        concepts @ kernel + bias,
        reference.held(by_rates),
        reference.BETA,
        reference.THRESHOLD,
        reference.derivative,
    )
    x, y = map(ops.convert_to_tensor, reference.small_batch())
    (update,) = weight_gradients(lambda: model.compute_step(x, y).total, [first.kernel])
    expected = np.einsum("bti,btj->ij", concepts, by_currents)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(update, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("centring", ["batch", None])
@pytest.mark.parametrize("own_weight", [0.0, 2.0])
def test_the_loss_is_that_of_its_formula(centring, own_weight):
    generator = np.random.default_rng(0)
    rates, prototypes = generator.random((5, 6)), generator.random((3, 6))
    onehot = np.eye(3, dtype="float32")[[0, 1, 2, 1, 0]]
    loss = baselines.CounterCurrentLoss(own_weight, centring)
    losses, affinity = loss.compare(
        ops.convert_to_tensor(rates), ops.convert_to_tensor(prototypes), loss.pairing(onehot, np.eye(3))
    )
    expected = loss_of(rates, prototypes, onehot, own_weight, centring)
    np.testing.assert_allclose(ops.convert_to_numpy(losses), expected, rtol=1e-5)
    np.testing.assert_allclose(
        ops.convert_to_numpy(affinity), unit(rates, centring) @ unit(prototypes, centring).T, atol=1e-6
    )


def test_without_a_codebook_prototypes_of_the_same_class_attract():
    targets = np.eye(2, dtype="float32")[[0, 1, 0]]
    loss = baselines.CounterCurrentLoss()
    pairing = loss.pairing(targets, classes=True)
    same = ops.convert_to_numpy(pairing.terms)
    np.testing.assert_array_equal(same, [[1, 0, 1], [0, 1, 0], [1, 0, 1]])
    np.testing.assert_array_equal(ops.convert_to_numpy(pairing.positives), np.eye(3))
    for other in (loss.pairing(targets, classes=True, negatives="all"), loss.pairing(targets)):
        np.testing.assert_array_equal(ops.convert_to_numpy(other.terms), np.eye(3))


def test_rows_that_are_no_samples_change_no_loss_of_others():
    generator = np.random.default_rng(0)
    rates, prototypes = generator.random((5, 6)), generator.random((3, 6))
    onehot = np.eye(3, dtype="float32")[[0, 1, 2, 1, 0]]
    loss = baselines.CounterCurrentLoss()
    present = ops.convert_to_tensor([1.0, 1.0, 0.0, 1.0, 1.0])
    losses, _ = loss.compare(
        ops.convert_to_tensor(rates), ops.convert_to_tensor(prototypes), Pairing(onehot, onehot, present)
    )
    others = [0, 1, 3, 4]
    expected = loss_of(rates[others], prototypes, onehot[others])
    np.testing.assert_allclose(ops.convert_to_numpy(losses)[others], expected, rtol=1e-5)


def test_a_sample_of_weight_zero_has_no_loss():
    model = baselines.CounterCurrent(reference.small_encoder(), small_decoder())
    model.compile(loss="sparse_categorical_crossentropy")
    x, y = reference.small_batch()
    changed = x.copy()
    changed[-1] += 1
    weights = ops.convert_to_tensor([1.0] * 5 + [0.0])
    first, second = (
        model.compute_step(ops.convert_to_tensor(stimuli), ops.convert_to_tensor(y), weights).stage_losses
        for stimuli in (x, changed)
    )
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(one), ops.convert_to_numpy(other), rtol=1e-5)


def test_the_decoder_is_a_chain_whose_firing_rates_teach():
    model = baselines.CounterCurrent(dense_encoder())
    assert model.teacher_signal == "rate"
    assert [type(stage) for stage in model.decoder_stages] == [SpikingStage, SpikingStage]
    assert all(len(stage.neuron.trainable_weights) == 0 for stage in model.decoder_stages)


def test_a_loaded_model_has_the_decoder_and_the_loss_of_the_saved_one(tmp_path):
    model = baselines.CounterCurrent(
        dense_encoder(), layer_loss=baselines.CounterCurrentLoss(0.25, centring="sample", grid=None)
    )
    model.compile(loss="sparse_categorical_crossentropy")
    x, y = reference.small_batch()
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is baselines.CounterCurrent
    assert loaded.layer_loss.get_config() == model.layer_loss.get_config()
    np.testing.assert_array_equal(loaded.recall([0, 1, 2]), model.recall([0, 1, 2]))
    for weight, other in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), ops.convert_to_numpy(other))


def test_another_layer_loss_takes_the_place_of_its_own():
    model = baselines.CounterCurrent(dense_encoder(), layer_loss="reco")
    assert isinstance(model.layer_loss, ReCo)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"own_weight": -1.0}, r"`own_weight` must be .* Received: own_weight=-1.0"),
        ({"centring": "row"}, r"Unknown `centring`: choose one of 'batch', .* Received: centring='row'"),
        ({"grid": 0}, r"`grid` must be .* Received: grid=0"),
    ],
)
def test_arguments_of_the_loss_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        baselines.CounterCurrentLoss(**arguments)


def test_a_stage_without_a_mirror_image_is_named_but_trained_with_a_decoder_of_the_callers():
    encoder = reference.small_encoder()
    with pytest.raises(ValueError, match=r"Rule 'ccl' cannot.*stage 'lower' has no `backward_synapse`.*'dfa'"):
        baselines.CounterCurrent(encoder)
    model = baselines.CounterCurrent(encoder, small_decoder())
    model.compile(loss="sparse_categorical_crossentropy", run_eagerly=True)
    assert np.isfinite(model.fit(*reference.small_batch(), verbose=0).history["loss"]).all()


def test_encoders_that_no_decoder_mirrors_are_refused():
    layers = [SpikingDense(6, timesteps=2), Readout(keras.layers.Dense(3), "softmax", name="scores")]
    by_row = [
        *layers[:1],
        Readout([keras.layers.Dense(6), keras.layers.Reshape((2, 3))], "softmax", name="rows"),
    ]
    with pytest.raises(
        ValueError, match=r"Rule 'ccl' cannot.*readout 'rows' is not the only one, or outputs no"
    ):
        baselines.CounterCurrent(keras.Sequential([keras.Input((4,)), *by_row]))
    pooled = [keras.layers.GlobalAveragePooling1D(), SpikingDense(5, timesteps=2, name="again")]
    again = keras.Sequential([keras.Input((4,)), layers[0], *pooled, layers[1]])
    with pytest.raises(
        ValueError, match=r"Rule 'ccl' cannot.*stage 'again' holds its input, and a decoder mirrors"
    ):
        baselines.CounterCurrent(again)
    with pytest.raises(ValueError, match=r"`encoder` must be a built Sequential"):
        baselines.CounterCurrent(keras.Sequential(layers))


def test_targets_that_are_no_classes_are_refused_with_any_decoder():
    encoder = keras.Sequential(
        [keras.Input((4,)), SpikingDense(6, timesteps=2), Readout(keras.layers.Dense(2), name="values")]
    )
    for decoder in (None, keras_bsd.mirror(encoder)):
        with pytest.raises(ValueError, match=r"Rule 'ccl' cannot.*needs classes.*'values' is regression"):
            baselines.CounterCurrent(encoder, decoder, task="regression")
