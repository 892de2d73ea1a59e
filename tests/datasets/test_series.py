import gzip

import numpy as np
import pytest

from keras_bsd import datasets


def test_mackey_glass_by_name():
    series = datasets.load_series("mackey_glass")
    np.testing.assert_array_equal(series.values[:, 0], datasets.mackey_glass(6000))
    assert series.split == (3600, 1200, 1200)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("index", ["date", "Time", ""])
def test_a_file_with_dates(tmp_path, compressed, index):
    text = f"{index},load,heat\n2020-01-01,1,2.5\n2020-01-02,,3\n\n2020-01-03,4,nan\n"
    path = tmp_path / ("series.csv.gz" if compressed else "series.csv")
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    with pytest.raises(ValueError, match="Received: 2 gaps, in 'load', 'heat', the first in row 1 of the data"):
        datasets.load_series(path)
    series = datasets.load_series(path, missing="fill")
    assert series.names == ["load", "heat"]
    np.testing.assert_array_equal(series.values, [[1, 2.5], [1, 3], [4, 3]])


def test_published_files(tmp_path):
    (tmp_path / "exchange_rate.txt").write_text("\n".join(f"{i},{2 * i}" for i in range(10)))
    series = datasets.load_series("exchange_rate", tmp_path)
    assert series.names == ["column 1", "column 2"]
    assert series.split == (6, 2, 2)
    with pytest.raises(ValueError, match=r"must have ETTh1.csv or ETTh1.csv.gz. .*Download it from https://"):
        datasets.load_series("etth1", tmp_path)


def test_a_gap_at_the_beginning_is_filled_with_the_first_value(tmp_path):
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
        ("1,2\n3\n", "Received: 1 gaps, in 'column 2', the first in row 1"),
        ("1,2\n3,4,5\n", "rows of equal numbers of cells. Received: .*Expected 2 fields in line 2, saw 3"),
        ("a,b\n1,\n2,\n", "Received: 2 gaps, in 'b'"),
        ("1,inf\n2,4\n", "Received: 1 gaps, in 'column 2'"),
        ("", "rows of equal numbers of cells. Received: No columns"),
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
    with pytest.raises(ValueError, match="Received: 2 gaps, in 'b'"):
        datasets.load_series(tmp_path / "bad.csv", missing="fill")


@pytest.mark.parametrize(
    "dates",
    [
        ["2020-01-01", "2020-01-01 01:00", "2020-01-02"],
        ["30/12/2019", "31/12/2019", "01/01/2020"],  # the day comes first
        ["12/30/2019", "12/31/2019", "01/01/2020"],
        ["01/02/2020", "02/02/2020", "03/02/2020"],
        ["2020-03-29T01:00+01:00", "2020-03-29T03:00+02:00", "2020-03-29T04:00+02:00"],
        ["8", "9", "10"],
        ["Mon", "Tue", "Wed"],  # no dates
    ],
)
def test_dates_in_order(tmp_path, dates):
    (tmp_path / "a.csv").write_text("date,load\n" + "".join(f"{date},{i}\n" for i, date in enumerate(dates)))
    np.testing.assert_array_equal(datasets.load_series(tmp_path / "a.csv").values[:, 0], [0, 1, 2])


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        (
            ["2020-01-01", "2020-01-03", "2020-01-02"],
            "in row 2 of the data a date before it, '2020-01-02' after",
        ),
        (["2020-01-01", "2020-01-02", "2020-01-02"], "in row 2 of the data the same date again, '2020-01-02'"),
        (["2020-01-03", "2020-01-02", "2020-01-01"], "in row 1 of the data a date before it"),
        (["31/12/2019", "30/12/2019", "01/01/2020"], "in row 1 of the data a date before it, '30/12/2019'"),
        (["2020-01-01", "", "2020-01-03"], "in row 1 of the data no date, ''"),
        (["2020-01-01", "2020-01-02", "2020-13-03"], "in row 2 of the data no date, '2020-13-03'"),
        (["0", "2", "1"], "in row 2 of the data a date before it, '1' after '2'. Sort the rows"),
    ],
)
def test_dates_out_of_order(tmp_path, dates, message):
    (tmp_path / "a.csv").write_text("date,load\n" + "".join(f"{date},{i}\n" for i, date in enumerate(dates)))
    with pytest.raises(ValueError, match=f"a.csv must have dates in order, each once. Received: {message}"):
        datasets.load_series(tmp_path / "a.csv", missing="fill")


def test_files_of_other_kinds(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\x81")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"1,2\n3,4\n")[:-6])
    for name in ("a.csv", "a.csv.gz"):
        with pytest.raises(ValueError, match=f"{name} must have rows of equal numbers of cells. Received: "):
            datasets.load_series(tmp_path / name)


def test_paths_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "exchange_rate.txt").write_text("1,2\n" * 10)
    assert datasets.load_series("~/exchange_rate.txt").values.shape == (10, 2)
    assert datasets.load_series("exchange_rate", "~").split == (6, 2, 2)


def test_bad_arguments():
    with pytest.raises(ValueError, match="choose one of 'error', 'fill'"):
        datasets.load_series("mackey_glass", missing="drop")
    with pytest.raises(ValueError, match=r"'etth1', 'exchange_rate' or the path of a file.* Received: etth2"):
        datasets.load_series("etth2")
