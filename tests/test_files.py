import json
import re

import numpy as np
import pytest

from keras_bsd._files import atomic_write, write_json
from keras_bsd.applications import SpikingMLP
from keras_bsd.callbacks import StimulusGrid
from keras_bsd.export import check_onnx, compress_onnx, export_onnx, to_nir


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


@pytest.mark.parametrize("path", [None, 3, ["network"]])
def test_paths_that_are_none(path):
    model = SpikingMLP((4,), 3, timesteps=2, units=(5,))
    for name, use in (
        ("filepath", lambda: export_onnx(model, path)),
        ("filepath", lambda: to_nir(model, path)),
        ("filepath", lambda: check_onnx(model, path, np.eye(4))),
        ("source", lambda: compress_onnx(path, "small.onnx", "float16")),
        ("folder", lambda: StimulusGrid(path)),
        ("filepath", lambda: model.save(path)),
        ("filepath", lambda: model.save_weights(path)),
        ("filepath", lambda: model.load_weights(path)),
    ):
        with pytest.raises(
            ValueError, match=f"`{name}` must be a path, .* Received: {name}={re.escape(repr(path))}"
        ):
            use()
