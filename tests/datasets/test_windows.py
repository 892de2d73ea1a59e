import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bsd import datasets


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 6))
@settings(max_examples=30, deadline=None)
def test_windows(window, horizon, more):
    values = np.arange(2.0 * (window + horizon + more)).reshape(-1, 2)
    x, y = datasets.windows(values, window, horizon)
    assert x.shape == (more + 1, window, 2)
    assert y.shape == (more + 1, horizon, 2)
    for i in range(more + 1):
        np.testing.assert_array_equal(np.concatenate([x[i], y[i]]), values[i : i + window + horizon])


def test_splits_are_standardized_by_the_training_split():
    values = np.random.default_rng(0).normal(5, 3, (100, 2)).astype("float32")
    values[:, 1] = 7  # a constant variable
    series = datasets.Series(values, ["a", "b"], (60, 20, 20))
    training, validation, test = datasets.standardized_splits(series, window=8, horizon=2)
    assert [len(split) for split in (training, validation, test)] == [60, 28, 28]
    np.testing.assert_allclose(training.mean(axis=0), 0, atol=1e-5)
    assert training[:, 0].std() == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(validation[:8], training[-8:])
    assert not test[:, 1].any()


def test_chunks_of_a_text_and_their_targets():
    x, y = datasets.chunks(np.arange(8), length=3)
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert y.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_text_windows():
    ids = np.arange(103)
    batches = datasets.TextWindows(ids, window=10, batch_size=4, seed=1)
    assert len(batches) == 2
    first = [batches[0], batches[1]]
    for x, y in first:
        assert x.shape == y.shape == (4, 10)
        np.testing.assert_array_equal(y, x + 1)
        assert (np.diff(x) == 1).all()
    assert len(np.unique(np.concatenate([x for x, _ in first]))) == 80  # no character twice
    follow = batches.epoch_callback()
    follow.on_epoch_begin(1)
    assert not np.array_equal(batches[0][0], first[0][0])
    follow.on_epoch_begin(0)
    np.testing.assert_array_equal(batches[0][0], first[0][0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: datasets.windows(np.zeros((9, 1)), 6, 4), "at least 10 elements.* Received: 9 elements"),
        (lambda: datasets.windows(np.zeros((9, 1)), 6, 0), "`horizon` must be .* at least 1"),
        (
            lambda: datasets.standardized_splits(datasets.Series(np.zeros((30, 1)), [], (20, 3, 7)), 4, 5),
            "Received: 7 elements, window=4, horizon=5",
        ),
        (
            lambda: datasets.chunks(np.arange(4), 4),
            "at least 5 characters.* Received: 4 characters, length=4",
        ),
        (lambda: datasets.chunks(np.arange(4), 0), "`length` must be an integer of at least 1"),
        (
            lambda: datasets.TextWindows(np.arange(30), 10, 4),
            "at least 51 characters for one batch. Received: 30 characters, window=10, batch_size=4",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("ids", "received"),
    [
        ("abcdef", "the string 'abcdef'"),
        ([0.0, 1.0, 2.0], "dtype=float64"),
        ([0, -1, 2], "int64"),
        ([[1, 2]], "shape"),
    ],
)
def test_ids_must_be_token_ids(ids, received):
    for make in (lambda: datasets.chunks(ids, 1), lambda: datasets.TextWindows(ids, 1, 1)):
        with pytest.raises(ValueError, match=f"`ids` must be token ids .* Received: .*{received}"):
            make()


def test_arrays_of_other_kinds():
    with pytest.raises(ValueError, match=r"Received: shape=\(9,\). A single variable is values\[:, None\]"):
        datasets.windows(np.arange(9), 2, 1)
    with pytest.raises(ValueError, match="`series` must be a `Series`"):
        datasets.standardized_splits(np.zeros((9, 1)), 2, 1)
