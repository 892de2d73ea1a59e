import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_bsd.losses import Pairing, ReCo, cosine_affinity, reco, target_similarity
from keras_bsd.losses._reco import pool_maps
from tests.gradients import gradients


def random_vectors(batch, prototypes, features=6, seed=0):
    generator = np.random.default_rng(seed)
    return generator.random((batch, features)), generator.random((prototypes, features))


def numpy_reco(affinity, positives, negatives, margin, weight):
    total = []
    for k in range(len(affinity)):
        loss = 0.0
        for j in range(affinity.shape[1]):
            loss += positives[k, j] * max(0, margin - affinity[k, j]) ** 2
            loss += weight * negatives[k, j] * max(0, affinity[k, j]) ** 2
        total.append(loss)
    return total


def test_reco_by_hand():
    affinity = np.array([[0.25, 0.5], [-0.5, 0.9]])
    # (0.5 - 0.25)^2 + 2 * 0.5^2; no attraction above the margin and no repulsion below zero
    expected = [0.0625 + 0.5, 0.0]
    loss = reco(np.eye(2), affinity, margin=0.5, negative_weight=2.0)
    np.testing.assert_allclose(ops.convert_to_numpy(loss), expected)


@settings(max_examples=30, deadline=None)
@given(
    batch=st.integers(1, 6),
    prototypes=st.integers(1, 5),
    margin=st.floats(0.1, 1),
    weight=st.floats(0, 3),
    seed=st.integers(0, 99),
)
def test_reco_equals_the_sum(batch, prototypes, margin, weight, seed):
    generator = np.random.default_rng(seed)
    affinity = generator.uniform(-1, 1, (batch, prototypes)).astype("float32")
    positives, negatives = generator.random((2, batch, prototypes)).astype("float32")
    loss = reco(positives, affinity, negatives, margin, weight)
    expected = numpy_reco(affinity, positives, negatives, margin, weight)
    np.testing.assert_allclose(ops.convert_to_numpy(loss), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("centring", ["batch", "sample", None])
@pytest.mark.parametrize("prototypes", [3, 7])
def test_affinity_equals_numpy(centring, prototypes):
    rows, columns = random_vectors(7, prototypes)
    affinity = ops.convert_to_numpy(cosine_affinity(rows, columns, centring))
    if centring == "sample":
        expected = np.corrcoef(rows, columns)[:7, 7:]
    else:
        if centring == "batch":
            rows, columns = rows - rows.mean(0), columns - columns.mean(0)
        norms = np.outer(np.linalg.norm(rows, axis=1), np.linalg.norm(columns, axis=1))
        expected = rows @ columns.T / norms
    np.testing.assert_allclose(affinity, expected, atol=1e-5)


def test_affinity_flattens_maps():
    rows, columns = random_vectors(4, 3, features=24)
    maps = [x.reshape(-1, 2, 3, 4) for x in (rows, columns)]
    np.testing.assert_array_equal(
        ops.convert_to_numpy(cosine_affinity(*maps)), ops.convert_to_numpy(cosine_affinity(rows, columns))
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("centring", ["batch", "sample", None])
def test_silent_stages_have_finite_losses_and_gradients(dtype, centring):
    rows = ops.cast(ops.zeros((4, 50)), dtype)
    columns = ops.cast(random_vectors(4, 4, features=50)[1], dtype)
    loss = ReCo(centring=centring)
    value = loss(columns, rows)
    assert float(value) == pytest.approx(0.25, abs=1e-6)  # affinity 0 with all prototypes
    for gradient in gradients(lambda rows, columns: loss(columns, rows), [rows, columns]):
        assert np.isfinite(gradient.astype("float32")).all()
        assert np.abs(gradient.astype("float32")).max() < 10


def test_half_precision_does_not_overflow():
    rows = ops.cast(ops.ones((2, 70_000)), "float16") * ops.cast([[1.0], [0.5]], "float16")
    affinity = ops.convert_to_numpy(cosine_affinity(rows, rows, centring=None))
    np.testing.assert_allclose(affinity, np.ones((2, 2)), rtol=1e-3)


def test_loss_is_the_mean_over_pairs_and_takes_weights():
    rows, columns = random_vectors(5, 5)
    affinity = cosine_affinity(rows, columns)
    each = ops.convert_to_numpy(reco(np.eye(5), affinity, margin=1.0, negative_weight=0.6))
    loss = ReCo(margin=1.0, negative_weight=0.6)
    assert float(loss(columns, rows)) == pytest.approx(each.mean(), rel=1e-5)
    weights = np.array([0.2, 1.0, 2.0, 0.5, 1.5])
    assert float(loss(columns, rows, weights)) == pytest.approx((each * weights).mean(), rel=1e-5)


def test_target_similarity_falls_with_distance():
    similarity = ops.convert_to_numpy(target_similarity(np.array([[0.0], [0.0], [1.0], [5.0]], "float32")))
    np.testing.assert_allclose(np.diag(similarity), 1, atol=1e-6)
    np.testing.assert_allclose(similarity, similarity.T, atol=1e-6)
    assert similarity[0, 1] == pytest.approx(1)
    assert 1 > similarity[0, 2] > similarity[0, 3] > 0


def test_config_round_trip():
    loss = ReCo(0.7, 2.0, "sample")
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert copy.get_config() == loss.get_config()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"margin": 0.0}, "Received: margin=0.0"),
        ({"margin": 1.5}, "Received: margin=1.5"),
        ({"negative_weight": -1}, "Received: negative_weight=-1"),
        ({"centring": "median"}, "choose one of 'batch', 'sample', None. Received: centring='median'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ReCo(**arguments)


def test_maps_are_averaged_before_comparison():
    generator = np.random.default_rng(0)
    maps, prototypes = generator.random((6, 8, 4, 3)), generator.random((2, 8, 4, 3))
    cells = [x.reshape(-1, 2, 4, 2, 2, 3).mean(axis=(2, 4)) for x in (maps, prototypes)]
    positives = np.eye(2)[np.arange(6) % 2]
    pairing = Pairing(positives, 1 - positives)
    expected = ReCo(grid=None).compare(*cells, pairing)
    for result, reference in zip(ReCo(grid=2).compare(maps, prototypes, pairing), expected, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(result), ops.convert_to_numpy(reference), rtol=1e-5)


@pytest.mark.parametrize(
    ("pixels", "cell", "cells"),
    [((8, 8), (2, 2), (4, 4)), ((7, 5), (2, 2), (4, 3)), ((3, 4), (1, 1), (3, 4)), ((10, 18), (3, 5), (4, 4))],
)
def test_cells_at_the_edge_may_be_smaller(pixels, cell, cells):
    maps = ops.convert_to_tensor(np.random.default_rng(0).random((2, *pixels, 3)))
    means = ops.convert_to_numpy(pool_maps(maps, 4))
    assert means.shape == (2, *cells, 3)
    pooled = ops.average_pool(maps, cell, cell, padding="same", data_format="channels_last")
    np.testing.assert_allclose(means, ops.convert_to_numpy(pooled), rtol=1e-6)


def test_vectors_are_not_averaged():
    vectors = np.ones((2, 5))
    assert pool_maps(vectors, 4) is vectors
    assert pool_maps(np.ones((2, 8, 8, 1)), None).shape == (2, 8, 8, 1)
