import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import keras_bsd
from keras_bsd.losses import InfoNCE, Pairing, ReCo, cosine_affinity
from tests.gradients import gradients


def losses(loss, representations, teacher, pairing):
    return ops.convert_to_numpy(loss.compare(representations, teacher, pairing)[0])


def random_sets(batch=6, prototypes=3, features=4, seed=0):
    generator = np.random.default_rng(seed)
    rows, columns = generator.random((batch, features)), generator.random((prototypes, features))
    return rows.astype("float32"), columns.astype("float32")


def one_hot(classes, count=3):
    return np.eye(count, dtype="float32")[classes]


def test_by_hand():
    """Centred products of 0.5 and -0.5, divided by the root of two features and multiplied by the scale."""
    vectors = np.eye(2, dtype="float32")
    pairing = InfoNCE().pairing(vectors, concepts=vectors)
    expected = np.log(1 + np.exp(-3 / np.sqrt(2)))
    np.testing.assert_allclose(losses(InfoNCE(scale=3.0), vectors, vectors, pairing), expected, rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(0.1, 30), seed=st.integers(0, 99))
def test_of_a_codebook_it_is_the_cross_entropy_of_a_linear_classifier(scale, seed):
    rows, prototypes = random_sets(seed=seed)
    targets = one_hot([0, 1, 2, 2, 1, 0])
    logits = scale / 2 * (rows - rows.mean(axis=0)) @ (prototypes - prototypes.mean(axis=0)).T
    expected = keras.losses.categorical_crossentropy(targets, logits, from_logits=True)
    loss = InfoNCE(scale=scale)
    computed = losses(loss, rows, prototypes, loss.pairing(targets, np.eye(3, dtype="float32")))
    np.testing.assert_allclose(computed, ops.convert_to_numpy(expected), rtol=1e-4, atol=1e-5)


def test_the_affinity_is_the_cosine():
    rows, prototypes = random_sets()
    pairing = Pairing(one_hot([0] * 6), 1 - one_hot([0] * 6))
    _, affinity = InfoNCE(scale=9.0).compare(rows, prototypes, pairing)
    expected = cosine_affinity(rows, prototypes)
    np.testing.assert_allclose(ops.convert_to_numpy(affinity), ops.convert_to_numpy(expected), atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 200.0, 1e4])
def test_a_prototype_without_weight_does_not_count(scale):
    """Without a codebook, samples of the same class are neither attracted nor repelled."""
    rows, _ = random_sets(4)
    targets = one_hot([0, 0, 1, 2])
    loss = InfoNCE(scale=scale)
    teacher = np.roll(rows, 1, axis=0)  # the second sample's prototype is the first sample, of the same class
    pairing = loss.pairing(targets, classes=True)
    logits = scale / 2 * (rows - rows.mean(axis=0)) @ (teacher - teacher.mean(axis=0)).T
    counted = np.where(np.eye(4) + (1 - targets @ targets.T) > 0, logits, -np.inf)
    highest = counted.max(axis=1)
    expected = np.log(np.exp(counted - highest[:, None]).sum(axis=1)) + highest - np.diag(logits)
    np.testing.assert_allclose(losses(loss, rows, teacher, pairing), expected, rtol=1e-3, atol=1e-3)
    for gradient in gradients(lambda *sets: ops.sum(loss.compare(*sets, pairing)[0]), [rows, teacher]):
        assert np.isfinite(gradient).all()


def test_rows_that_are_no_samples_change_nothing():
    rows, prototypes = random_sets(5)
    targets, present = one_hot([0, 1, 2, 0, 1]), np.array([1, 1, 1, 1, 0], "float32")
    loss = InfoNCE()
    kept = losses(loss, rows[:4], prototypes, loss.pairing(targets[:4], np.eye(3, dtype="float32")))
    rows[4] = 1e3
    pairing = loss.pairing(targets, np.eye(3, dtype="float32"), present=present)._replace(present=present)
    np.testing.assert_allclose(losses(loss, rows, prototypes, pairing)[:4], kept, rtol=1e-4)


def test_the_hardest_samples_weigh_most():
    """The gradient of a sample whose class is certain vanishes, other than ReCo's."""
    prototypes = np.array([[4.0, 0.0], [0.0, 4.0]], "float32")
    rows = np.array([[4.0, 0.0], [2.1, 2.0], [0.0, 4.0], [2.0, 2.1]], "float32")
    targets = one_hot([0, 0, 1, 1], 2)

    def pull(loss):
        pairing = loss.pairing(targets, np.eye(2, dtype="float32"))
        (gradient,) = gradients(lambda r: ops.sum(loss.compare(r, prototypes, pairing)[0]), [rows])
        return np.linalg.norm(gradient, axis=1)

    sure, unsure, _, _ = pull(InfoNCE(scale=2.0))
    assert unsure > 20 * sure
    scale_free = ReCo(margin=1.0)  # its gradient falls with the length of a representation, too
    sure, unsure, _, _ = pull(scale_free) * np.linalg.norm(rows - rows.mean(axis=0), axis=1)
    assert sure > unsure / 20


def test_maps_are_compared_by_cells():
    generator = np.random.default_rng(0)
    maps, prototypes = generator.random((4, 8, 8, 2)), generator.random((3, 8, 8, 2))
    pairing = Pairing(one_hot([0, 1, 2, 0]), 1 - one_hot([0, 1, 2, 0]))
    cells = [values.reshape(len(values), 4, 2, 4, 2, 2).mean(axis=(2, 4)) for values in (maps, prototypes)]
    expected = losses(InfoNCE(grid=None), *cells, pairing)
    np.testing.assert_allclose(losses(InfoNCE(), maps, prototypes, pairing), expected, rtol=1e-4)


def test_silent_stages_have_finite_gradients():
    targets = one_hot([0, 1])
    loss = InfoNCE()
    pairing = loss.pairing(targets, np.eye(3, dtype="float32"))
    zeros = [np.zeros((2, 5), "float32"), np.zeros((3, 5), "float32")]
    for gradient in gradients(lambda *sets: ops.sum(loss.compare(*sets, pairing)[0]), zeros):
        assert np.isfinite(gradient).all()
    np.testing.assert_allclose(losses(loss, *zeros, pairing), np.log(3), rtol=1e-6)


def test_is_the_default_of_convolutional_classifiers_and_round_trips(tmp_path):
    convolutional = keras_bsd.applications.SpikingConvNet((8, 8, 1), 3, filters=(4, 6), pool_sizes=(2, 2))
    assert isinstance(convolutional.layer_loss, InfoNCE)
    residual = keras_bsd.applications.SpikingResNet((8, 8, 1), 3, filters=(4,), blocks=(1,))
    assert isinstance(residual.layer_loss, InfoNCE)
    assert isinstance(keras_bsd.applications.SpikingMLP((4,), 3, units=(5,)).layer_loss, ReCo)
    unset = keras_bsd.applications.SpikingConvNet((8, 8, 1), 3, filters=(4,), pool_sizes=(2,), layer_loss=None)
    assert isinstance(unset.layer_loss, InfoNCE)
    model = keras_bsd.applications.SpikingConvNet(
        (8, 8, 1), 3, filters=(4, 6), pool_sizes=(2, 2), layer_loss=InfoNCE(scale=2.0, grid=2)
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").layer_loss
    assert (type(loaded), loaded.scale, loaded.grid) == (InfoNCE, 2.0, 2)


@pytest.mark.parametrize(
    ("arguments", "message"), [({"scale": 0.0}, "`scale` must be"), ({"grid": 0}, "`grid` must be")]
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        InfoNCE(**arguments)
