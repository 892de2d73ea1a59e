import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd.models._local_readout import LocalReadout
from tests.gradients import weight_gradients
from tests.models import pairs


def readout(rates, targets, classification=False):
    layer = LocalReadout(rates, targets, classification)
    for weight in layer.trainable_variables:
        weight.assign(ops.zeros(weight.shape))
    return layer


def losses(layer, rates, targets):
    return ops.convert_to_numpy(layer.losses_of(ops.convert_to_tensor(rates), ops.convert_to_tensor(targets)))


def test_losses_by_hand():
    """A readout that says nothing: even odds, and all of the targets' variance but for their mean."""
    rates = np.ones((2, 3), "float32")
    classes = readout((3,), (4,), classification=True)
    np.testing.assert_allclose(
        losses(classes, rates, np.eye(4, dtype="float32")[:2]), [np.log(4)] * 2, rtol=1e-6
    )
    values = readout((3,), (2,))
    targets = np.array([[3.0, -1], [1, 1]], "float32")  # each value has a variance of 1
    np.testing.assert_allclose(losses(values, rates, targets), [5, 1], rtol=1e-5)
    values.trainable_variables[1].assign([2.0, 0.0])  # the bias
    np.testing.assert_allclose(losses(values, rates, targets), [1, 1], rtol=1e-5)


@pytest.mark.parametrize(
    ("rates", "targets", "kernel"),
    [
        ((5,), (8, 6, 2), (5, 96)),
        ((4, 3, 5), (8, 6, 2), (4, 4, 2, 5)),  # twice as large: place by place
        ((8, 6, 5), (8, 6, 2), (2, 2, 2, 5)),
        ((4, 4, 5), (8, 6, 2), (80, 96)),  # not alike in shape
        ((8, 6, 5), (4, 3, 2), (4 * 3 * 5, 24)),  # averaged to as many cells as there may be
        ((8, 6, 5), (3,), (4 * 3 * 5, 3)),
        ((7,), (4, 2), (7, 8)),
    ],
)
def test_shapes(rates, targets, kernel):
    layer = LocalReadout(rates, targets, classification=False)
    assert layer.trainable_variables[0].shape == kernel
    assert layer(np.ones((2, *rates), "float32")).shape == (2, *targets)


@pytest.mark.parametrize(
    "pair", [pairs.conv_pair, pairs.autoencoder, pairs.forecast_pair, pairs.character_pair]
)
def test_they_learn_and_are_saved(pair, tmp_path):
    model = pair(local_readout_weight=0.5)
    model.compile()
    x, y = pairs.samples(model)
    assert len(model.stage_readouts) == len(model.encoder_stages)
    before = [ops.convert_to_numpy(w).copy() for r in model.stage_readouts for w in r.trainable_variables]
    model.fit(x, y, verbose=0)
    after = [ops.convert_to_numpy(w) for r in model.stage_readouts for w in r.trainable_variables]
    assert not any(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    kept = [ops.convert_to_numpy(w) for r in loaded.stage_readouts for w in r.trainable_variables]
    assert all(np.array_equal(a, b) for a, b in zip(after, kept, strict=True))


def test_weights_of_a_pair_without_them_leave_them_as_they_are(tmp_path):
    plain, model = pairs.autoencoder(), pairs.autoencoder(local_readout_weight=1.0)
    plain.save_weights(tmp_path / "plain.weights.h5")
    before = [ops.convert_to_numpy(w) for r in model.stage_readouts for w in r.trainable_variables]
    model.load_weights(tmp_path / "plain.weights.h5")
    after = [ops.convert_to_numpy(w) for r in model.stage_readouts for w in r.trainable_variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert np.array_equal(plain.encoder.get_weights()[0], model.encoder.get_weights()[0])
    model.save_weights(tmp_path / "with.weights.h5")
    plain.load_weights(tmp_path / "with.weights.h5")


def test_without_them_nothing_is_there():
    assert pairs.dense_pair().stage_readouts == []
    with pytest.raises(
        ValueError, match=r"`local_readout_weight` must be .* Received: local_readout_weight=-1"
    ):
        pairs.dense_pair(local_readout_weight=-1)


def test_a_lone_sample_has_no_variance_to_tell():
    loss = losses(LocalReadout((3,), (2,), False), np.ones((1, 3), "float32"), np.ones((1, 2), "float32"))
    np.testing.assert_array_equal(loss, [0])


def test_stages_learn_from_them():
    """With all else equal, a stage's gradient is another one with its readout."""
    found = []
    for weight in (0.0, 1.0):
        keras.utils.set_random_seed(0)
        model = pairs.dense_pair(local_readout_weight=weight)
        model.compile()
        kernel = model.encoder_stages[1].synapse.trainable_variables[:1]
        x, y = pairs.samples(model)
        found += weight_gradients(lambda model=model, x=x, y=y: model.distil(x, y).stage_losses[1], kernel)
    assert found[0].shape == found[1].shape
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_the_loss_is_weighted():
    x, y = pairs.samples(pairs.dense_pair())
    found = {}
    for weight in (1e-6, 1.0, 3.0):
        keras.utils.set_random_seed(0)
        model = pairs.dense_pair(local_readout_weight=weight)
        model.compile()
        found[weight] = np.array([ops.convert_to_numpy(loss) for loss in model.distil(x, y).stage_losses])
    np.testing.assert_allclose(found[3.0] - found[1e-6], 3 * (found[1.0] - found[1e-6]), rtol=1e-3)
    assert (found[1.0] - found[1e-6] > 0.5).all()
