import pytest

from keras_bsd import datasets


def test_text_of_a_file(tmp_path):
    (tmp_path / "a.txt").write_text("abcdefghij" * 10, encoding="utf-8")
    training, validation, test = datasets.load_text(tmp_path / "a.txt")
    assert [len(split) for split in (training, validation, test)] == [90, 5, 5]
    assert training + validation + test == "abcdefghij" * 10


def test_a_missing_file():
    with pytest.raises(
        ValueError, match=r"'tiny_shakespeare' or the path of a file that exists. Received: missing"
    ):
        datasets.load_text("missing.txt")
