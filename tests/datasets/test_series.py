import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bsd import datasets, metrics


def test_mackey_glass():
    """Against half the step, and against the solution by hand over the first delay."""
    x, finer = (datasets.mackey_glass(60, washout=0, step=step) for step in (0.1, 0.05))
    assert x.shape == (60,)
    np.testing.assert_allclose(x, finer, atol=1e-4)
    later = datasets.mackey_glass(400)
    assert 0.2 < later.min() < 0.6
    assert 1.1 < later.max() < 1.5
    np.testing.assert_array_equal(
        datasets.mackey_glass(50, washout=10), datasets.mackey_glass(60, washout=0)[10:]
    )
    # Up to the delay, x' = c - 0.1 x has the solution below.
    first = 0.2 * 1.2 / (1 + 1.2**10)
    t = np.arange(1, 18)
    expected = first / 0.1 + (1.2 - first / 0.1) * np.exp(-0.1 * t)
    np.testing.assert_allclose(datasets.mackey_glass(17, washout=0), expected, rtol=1e-6)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 6))
@settings(max_examples=30, deadline=None)
def test_windows(window, horizon, more):
    values = np.arange(2.0 * (window + horizon + more)).reshape(-1, 2)
    x, y = datasets.windows(values, window, horizon)
    assert x.shape == (more + 1, window, 2)
    assert y.shape == (more + 1, horizon, 2)
    for i in range(more + 1):
        np.testing.assert_array_equal(np.concatenate([x[i], y[i]]), values[i : i + window + horizon])


def test_parts_are_standardized_by_the_training_part_and_touch():
    values = np.random.default_rng(0).normal(5, 3, (100, 2)).astype("float32")
    values[:, 1] = 7  # a variable that stands still
    series = datasets.Series(values, ["a", "b"], (60, 20, 20))
    training, validation, test = datasets.standardized_splits(series, window=8, horizon=2)
    assert [len(part) for part in (training, validation, test)] == [60, 28, 28]
    np.testing.assert_allclose(training.mean(axis=0), 0, atol=1e-5)
    assert training[:, 0].std() == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(validation[:8], training[-8:])
    assert not test[:, 1].any()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("index", ["date", "Time", ""])
def test_a_file_with_dates(tmp_path, compressed, index):
    text = f"{index},load,heat\n2020-01-01,1,2.5\n2020-01-02,,3\n\n2020-01-03,4,nan\n"
    path = tmp_path / ("series.csv.gz" if compressed else "series.csv")
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    with pytest.raises(ValueError, match="has 2 gaps, in 'load', 'heat', the first in row 1 of the data"):
        datasets.load_series(path)
    series = datasets.load_series(path, missing="fill")
    assert series.names == ["load", "heat"]
    np.testing.assert_array_equal(series.values, [[1, 2.5], [1, 3], [4, 3]])


def test_published_files(tmp_path):
    (tmp_path / "exchange_rate.txt").write_text("\n".join(f"{i},{2 * i}" for i in range(10)))
    series = datasets.load_series("exchange_rate", tmp_path)
    assert series.names == ["column 1", "column 2"]
    assert series.split == (6, 2, 2)
    with pytest.raises(ValueError, match=r"no ETTh1.csv or ETTh1.csv.gz in .*Download it from https://"):
        datasets.load_series("etth1", tmp_path)


def test_a_gap_at_the_beginning_takes_the_first_value(tmp_path):
    (tmp_path / "a.csv").write_text("nan,1\n5,2\n")
    np.testing.assert_array_equal(
        datasets.load_series(tmp_path / "a.csv", missing="fill").values, [[5, 1], [5, 2]]
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,place,b,kind\n1,here,2,x\n", "not numeric: 'place', 'kind'"),
        ("1,2\n3,x\n", "not numeric: 'column 2'"),
        ("date\n2020-01-01\n", "rows of numbers. Received: 1 rows of 0 columns"),
        ("a,b\n", "rows of numbers. Received: 0 rows of 2 columns"),
        ("1,2\n3\n", "has 1 gaps, in 'column 2', the first in row 1"),
        ("1,2\n3,4,5\n", "rows of as many cells each. Received: .*Expected 2 fields in line 2, saw 3"),
        ("a,b\n1,\n2,\n", "has 2 gaps, in 'b'"),
        ("1,inf\n2,4\n", "has 1 gaps, in 'column 2'"),
        ("", "rows of as many cells each. Received: No columns"),
    ],
)
def test_bad_files(tmp_path, content, message):
    (tmp_path / "bad.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        datasets.load_series(tmp_path / "bad.csv")


@pytest.mark.parametrize(
    ("content", "names", "values"),
    [
        (",0,1\n0,3,4\n1,5,6\n", ["0", "1"], [[3, 4], [5, 6]]),  # as pandas writes an array
        ("date,0,1\n2020,3,4\n", ["0", "1"], [[3, 4]]),
        ("NA,load\n1,2\n", ["NA", "load"], [[1, 2]]),  # a name
        (",1\n5,2\n", ["column 1", "column 2"], [[5, 1], [5, 2]]),  # a gap, no header
        ("1,null\n3,4\n", ["column 1", "column 2"], [[1, 4], [3, 4]]),
    ],
)
def test_headers_and_gaps(tmp_path, content, names, values):
    (tmp_path / "a.csv").write_text(content)
    series = datasets.load_series(tmp_path / "a.csv", missing="fill")
    assert series.names == names
    np.testing.assert_array_equal(series.values, values)


def test_an_empty_column_cannot_be_filled(tmp_path):
    (tmp_path / "bad.csv").write_text("a,b\n1,\n2,\n")
    with pytest.raises(ValueError, match="has 2 gaps, in 'b'"):
        datasets.load_series(tmp_path / "bad.csv", missing="fill")


@given(seed=st.integers(0, 100), coverage=st.sampled_from([0.5, 0.8, 0.95]))
def test_intervals_hold_what_they_promise(seed, coverage):
    errors = np.random.default_rng(seed).standard_t(3, (4000, 2, 3))
    width = metrics.interval_width(errors[:2000], coverage)
    assert width.shape == (2, 3)
    held = (np.abs(errors[2000:]) <= width).mean(axis=0)
    np.testing.assert_allclose(held, coverage, atol=0.06)


def test_width_of_intervals_by_hand():
    errors = np.array([0.4, -0.1, 0.3, -0.2])[:, None, None]
    for coverage, width in ((0.2, 0.1), (0.4, 0.2), (0.5, 0.3), (0.8, 0.4)):
        assert metrics.interval_width(errors, coverage).item() == width


def test_text_of_a_file(tmp_path):
    (tmp_path / "a.txt").write_text("abcdefghij" * 10, encoding="utf-8")
    training, validation, test = datasets.load_text(tmp_path / "a.txt")
    assert [len(part) for part in (training, validation, test)] == [90, 5, 5]
    assert training + validation + test == "abcdefghij" * 10


def test_text_windows():
    numbers = np.arange(103)
    batches = datasets.TextWindows(numbers, window=10, batch_size=4, seed=1)
    assert len(batches) == 2
    first = [batches[0], batches[1]]
    for x, y in first:
        assert x.shape == y.shape == (4, 10)
        np.testing.assert_array_equal(y, x + 1)
        assert (np.diff(x) == 1).all()
    assert len(np.unique(np.concatenate([x for x, _ in first]))) == 80  # none twice
    follow = batches.epoch_callback()
    follow.on_epoch_begin(1)
    assert not np.array_equal(batches[0][0], first[0][0])
    follow.on_epoch_begin(0)
    np.testing.assert_array_equal(batches[0][0], first[0][0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: datasets.windows(np.zeros((9, 1)), 6, 4), "needs 10 elements.* Received: 9 elements"),
        (lambda: datasets.windows(np.zeros((9, 1)), 6, 0), "`horizon` must be .* at least 1"),
        (
            lambda: datasets.standardized_splits(datasets.Series(np.zeros((30, 1)), [], (20, 3, 7)), 4, 5),
            "Received: 7 elements, window=4, horizon=5",
        ),
        (lambda: datasets.load_series("etth2"), "names of sets are 'mackey_glass', 'etth1', 'exchange_rate'"),
        (lambda: metrics.interval_width(np.zeros((8, 1, 1))), "cover 0.9 .* at least 9 samples. Received: 8"),
        (lambda: metrics.interval_width(np.zeros((8, 1, 1)), 1.0), r"`coverage` must be .* in \(0.0, 1.0\)"),
        (lambda: datasets.load_series("mackey_glass", missing="drop"), "choose one of 'error', 'fill'"),
        (lambda: datasets.load_text("missing.txt"), "no such file; the name of a set is 'tiny_shakespeare'"),
        (lambda: datasets.chunks(np.arange(4), 4), "take 5 characters. Received: 4 characters, length=4"),
        (lambda: datasets.TextWindows(np.arange(30), 10, 4), "a batch takes 51 characters. Received: 30"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_pieces_of_a_text_and_what_follows():
    x, y = datasets.chunks(np.arange(8), length=3)
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert y.tolist() == [[1, 2, 3], [4, 5, 6]]
