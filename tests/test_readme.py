import pathlib
import re


def test_the_example_runs_as_written(pytestconfig, tmp_path, monkeypatch, digits):
    text = pathlib.Path(pytestconfig.rootpath, "README.md").read_text()
    (first, *_) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(first, names)
    assert names["scores"].shape == (len(names["x"]), 10)
    assert names["images"].shape == (3, 8, 8, 1)
    assert (names["scores"].argmax(axis=1) == names["y"]).mean() > 0.9
    assert (tmp_path / "digits.keras").exists()


def test_it_is_short(pytestconfig):
    assert len(pathlib.Path(pytestconfig.rootpath, "README.md").read_text().splitlines()) <= 110
