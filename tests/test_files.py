import json

import pytest

from keras_bsd._files import atomic_write, write_json


def test_writes_the_whole_file(tmp_path):
    path = tmp_path / "new" / "results.txt"
    for text in ("first", "second"):
        with atomic_write(path) as written:
            written.write_text(text)
        assert path.read_text() == text
    assert [file.name for file in path.parent.iterdir()] == ["results.txt"]


def test_an_error_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "results.txt"
    path.write_text("before")

    def fail():
        with atomic_write(path) as written:
            written.write_text("aft")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert path.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["results.txt"]


def test_json_is_written_whole_or_not_at_all(tmp_path):
    write_json(tmp_path / "new" / "a.json", {"rate": [1, 0.5]})
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"rate": [1, 0.5]}
    with pytest.raises(TypeError):
        write_json(tmp_path / "new" / "a.json", {"rate": object()})
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"rate": [1, 0.5]}
