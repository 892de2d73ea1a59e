import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd.models._local_readout import LocalReadout
from tests.gradients import weight_gradients
from tests.models import pairs


def zero_readout(rates, targets, classification=False):
    layer = LocalReadout(rates, targets, classification)
    for weight in layer.trainable_variables:
        weight.assign(ops.zeros(weight.shape))
    return layer


def losses(layer, rates, targets):
    return ops.convert_to_numpy(
        layer.sample_losses(ops.convert_to_tensor(rates), ops.convert_to_tensor(targets))
    )


def test_losses_by_hand():
    """A readout of zeros predicts equal probabilities, and its error is the mean square of the targets."""
    rates = np.ones((2, 3), "float32")
    classes = zero_readout((3,), (4,), classification=True)
    np.testing.assert_allclose(
        losses(classes, rates, np.eye(4, dtype="float32")[:2]), [np.log(4)] * 2, rtol=1e-6
    )
    values = zero_readout((3,), (2,))
    targets = np.array([[3.0, -1], [1, 1]], "float32")  # each value has a variance of 1
    np.testing.assert_allclose(losses(values, rates, targets), [5, 1], rtol=1e-5)
    values.trainable_variables[1].assign([2.0, 0.0])  # the bias
    np.testing.assert_allclose(losses(values, rates, targets), [1, 1], rtol=1e-5)


@pytest.mark.parametrize(
    ("rates", "targets", "kernel"),
    [
        ((5,), (8, 6, 2), (5, 96)),
        ((4, 3, 5), (8, 6, 2), (4, 4, 2, 5)),  # twice as large: a transposed convolution
        ((8, 6, 5), (8, 6, 2), (2, 2, 2, 5)),
        ((4, 4, 5), (8, 6, 2), (80, 96)),  # not a multiple
        ((8, 6, 5), (4, 3, 2), (4 * 3 * 5, 24)),  # averaged to 4x4 cells at most
        ((8, 6, 5), (3,), (4 * 3 * 5, 3)),
        ((7,), (4, 2), (7, 8)),
    ],
)
def test_shapes(rates, targets, kernel):
    layer = LocalReadout(rates, targets, classification=False)
    assert layer.trainable_variables[0].shape == kernel
    assert layer(np.ones((2, *rates), "float32")).shape == (2, *targets)


@pytest.mark.parametrize(
    ("pair", "depth"),
    [
        (pairs.conv_pair, 1),
        (pairs.conv_pair, 2),
        (pairs.autoencoder, 1),
        (pairs.forecast_pair, 2),
        (pairs.character_pair, 1),
    ],
)
def test_local_readouts_learn_and_are_saved(pair, depth, tmp_path):
    model = pair(local_readout_weight=0.5, local_readout_depth=depth)
    model.compile(run_eagerly=True)
    x, y = pairs.samples(model)
    assert len(model.stage_readouts) == len(model.encoder_stages)
    before = [ops.convert_to_numpy(w).copy() for r in model.stage_readouts for w in r.trainable_variables]
    model.fit(x, y, verbose=0)
    after = [ops.convert_to_numpy(w) for r in model.stage_readouts for w in r.trainable_variables]
    assert not any(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.local_readout_depth == depth
    saved = [ops.convert_to_numpy(w) for r in loaded.stage_readouts for w in r.trainable_variables]
    assert all(np.array_equal(a, b) for a, b in zip(after, saved, strict=True))


@pytest.mark.parametrize("neurons", [(6,), (5, 4, 6)])
def test_a_hidden_layer_is_normalised_over_the_batch_and_rectified(neurons):
    layer = LocalReadout(neurons, (3,), classification=True, depth=2)
    shapes = [tuple(weight.shape) for weight in layer.trainable_variables]
    hidden_kernel = (3, 3, 6, 6) if len(neurons) == 3 else (6, 6)
    assert shapes == [
        hidden_kernel,
        (6,),
        (6,),
        (6 if len(neurons) == 1 else 3 * 4 * 6, 3),
        (3,),
    ]  # 5 rows make 3 of cells
    rates = np.random.default_rng(0).random((8, *neurons)).astype("float32")
    kernel = layer.hidden_kernel
    values = ops.conv(rates, kernel, padding="same") if len(neurons) == 3 else ops.matmul(rates, kernel)
    values = ops.convert_to_numpy(values)
    axes = tuple(range(values.ndim - 1))
    expected = (values - values.mean(axis=axes)) / np.sqrt(values.var(axis=axes) + 1e-3)
    hidden = ops.convert_to_numpy(layer._hidden(ops.convert_to_tensor(rates), None))
    np.testing.assert_allclose(hidden, expected.clip(0), atol=1e-4)


def test_a_hidden_layer_separates_what_no_linear_readout_can():
    rates = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32").repeat(8, axis=0)
    targets = np.eye(2, dtype="float32")[(rates[:, 0] != rates[:, 1]).astype(int)]
    final = {}
    for depth in (1, 2):
        keras.utils.set_random_seed(3)
        inputs = keras.Input((2,))
        layers = [LocalReadout((8,), (2,), True, depth), keras.layers.Softmax()]
        model = keras.Sequential([inputs, keras.layers.Lambda(lambda x: ops.tile(x, (1, 4))), *layers])
        model.compile(keras.optimizers.Adam(0.05), loss="categorical_crossentropy")
        final[depth] = model.fit(rates, targets, batch_size=32, epochs=60, verbose=0).history["loss"][-1]
    assert final[1] > 0.6
    assert final[2] < 0.1


@pytest.mark.parametrize("neurons", [(6,), (5, 4, 6)])
def test_rows_that_are_no_samples_change_no_loss(neurons):
    layer = LocalReadout(neurons, (3,), classification=True, depth=2)
    rates = np.random.default_rng(0).random((8, *neurons)).astype("float32")
    targets, present = (
        np.eye(3, dtype="float32")[np.arange(8) % 3],
        np.array([1, 1, 1, 1, 1, 0, 0, 1], "float32"),
    )
    results = []
    for value in (0.0, 50.0):
        rates[5:7] = value
        of_all = layer.sample_losses(*map(ops.convert_to_tensor, (rates, targets, present)))
        results.append(ops.convert_to_numpy(of_all)[present > 0])
    np.testing.assert_array_equal(*results)
    kept = layer.sample_losses(*(ops.convert_to_tensor(values[present > 0]) for values in (rates, targets)))
    np.testing.assert_allclose(results[0], ops.convert_to_numpy(kept), rtol=1e-5)


def test_a_hidden_layer_computes_as_its_stage_does_wherever_it_is_loaded(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = pairs.dense_pair(local_readout_weight=1.0, local_readout_depth=2)
    finally:
        keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "model.keras")
    for pair in (model, keras.saving.load_model(tmp_path / "model.keras")):
        assert {readout._hidden_dtype for readout in pair.stage_readouts} == {"bfloat16"}


def test_a_depth_without_local_readouts_is_an_error():
    with pytest.raises(
        ValueError, match=r"local_readout_depth=2, local_readout_weight=0\.0.*Set `local_readout"
    ):
        pairs.dense_pair(local_readout_depth=2)
    with pytest.raises(ValueError, match="`local_readout_depth`: choose one of 1, 2"):
        pairs.dense_pair(local_readout_depth=3, local_readout_weight=1.0)


def test_weights_of_a_pair_without_local_readouts_leave_them_unchanged(tmp_path):
    plain, model = pairs.autoencoder(), pairs.autoencoder(local_readout_weight=1.0)
    plain.save_weights(tmp_path / "plain.weights.h5")
    before = [ops.convert_to_numpy(w) for r in model.stage_readouts for w in r.trainable_variables]
    model.load_weights(tmp_path / "plain.weights.h5")
    after = [ops.convert_to_numpy(w) for r in model.stage_readouts for w in r.trainable_variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert np.array_equal(plain.encoder.get_weights()[0], model.encoder.get_weights()[0])
    model.save_weights(tmp_path / "with.weights.h5")
    plain.load_weights(tmp_path / "with.weights.h5")


def test_without_a_weight_there_are_none():
    assert pairs.dense_pair().stage_readouts == []
    with pytest.raises(
        ValueError, match=r"`local_readout_weight` must be .* Received: local_readout_weight=-1"
    ):
        pairs.dense_pair(local_readout_weight=-1)


def test_a_single_sample_has_no_loss():
    loss = losses(LocalReadout((3,), (2,), False), np.ones((1, 3), "float32"), np.ones((1, 2), "float32"))
    np.testing.assert_array_equal(loss, [0])


def test_stages_learn_from_local_readouts():
    """With all else equal, a stage has another gradient with a local readout."""
    results = []
    for weight in (0.0, 1.0):
        keras.utils.set_random_seed(0)
        model = pairs.dense_pair(local_readout_weight=weight)
        model.compile()
        kernel = model.encoder_stages[1].synapse.trainable_variables[:1]
        x, y = pairs.samples(model)
        results += weight_gradients(lambda model=model, x=x, y=y: model.distil(x, y).stage_losses[1], kernel)
    assert results[0].shape == results[1].shape
    assert np.abs(results[0] - results[1]).max() > 1e-3


def test_the_loss_is_weighted():
    x, y = pairs.samples(pairs.small_pair())
    losses_by_weight = {}
    for weight in (1e-6, 1.0, 3.0):
        keras.utils.set_random_seed(0)
        model = pairs.small_pair(local_readout_weight=weight)
        model.compile()
        losses_by_weight[weight] = np.array(
            [ops.convert_to_numpy(loss) for loss in model.distil(x, y).stage_losses]
        )
    np.testing.assert_allclose(
        losses_by_weight[3.0] - losses_by_weight[1e-6],
        3 * (losses_by_weight[1.0] - losses_by_weight[1e-6]),
        rtol=1e-3,
    )
    assert (losses_by_weight[1.0] - losses_by_weight[1e-6] > 0.5).all()
