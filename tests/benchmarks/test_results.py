import json
import os
import sys

import pytest
from absl import flags

from benchmarks import _results


@pytest.fixture
def script(monkeypatch):
    """A measuring script with flags of its own."""
    path = "/somewhere/benchmarks/measure_nothing.py"
    values = flags.FlagValues()
    for name in ("only", "data_dir", "series_dir", "output", "samples"):
        flags.DEFINE_string(name, None, name, flag_values=values, module_name=path)
        values.register_key_flag_for_module(path, values[name])
    arguments = ["--only=one two,three", "--data_dir=/data", "--output=page.md"]
    monkeypatch.setattr(sys, "argv", [path, *arguments])
    monkeypatch.setattr(flags, "FLAGS", values)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    values(sys.argv)


def test_command(script):
    """It can be pasted into a shell and holds nothing of one machine."""
    program = "KERAS_BACKEND=jax .venv/bin/python -m benchmarks.measure_nothing"
    assert _results.command() == f"{program} '--only=one two,three' --data_dir=DIR"


def test_page(script, tmp_path):
    path = tmp_path / "results" / "nothing.md"
    table = _results.table(["network", "ms"], [["dense", "1.50"], ["conv", "20.00"]])
    assert table.splitlines()[-1] == "| conv      | 20.00 |"
    _results.write_page(path, "Nothing", table, packages=["tabulate"], facts=[("rounds", 3)])
    page = path.read_text()
    assert page.startswith(f"# Nothing\n\n```sh\n{_results.command()}\n```\n\n")
    assert page.endswith(f"\n\n{table}\n")
    facts = [line.split(":")[0] for line in page.splitlines() if line.startswith("- ")]
    assert facts == ["- date", "- machine", "- backend", "- rounds", "- versions"]
    assert f"python {sys.version.split()[0]}, keras_bsd " in page


def test_an_interrupted_page_leaves_the_earlier_one(script, tmp_path, monkeypatch):
    path = tmp_path / "nothing.md"
    path.write_text("earlier")

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        _results.write_page(path, "Nothing", "text")
    assert path.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["nothing.md"]


def test_rows_are_printed_as_they_come(capsys):
    def rows():
        yield ["dense", 1]
        assert capsys.readouterr().out.endswith("| dense | 1 |\n")
        yield ["conv", 20]

    table = _results.print_rows(["network", "ms"], rows())
    assert capsys.readouterr().out == "| conv | 20 |\n"
    assert table.splitlines()[-1] == "| conv      | 20   |"


def test_record(script, tmp_path):
    _results.write_record(tmp_path / "nothing.json", {"accuracy": [1.0]})
    record = json.loads((tmp_path / "nothing.json").read_text())
    assert record["accuracy"] == [1.0]
    assert record["flags"]["only"] == "one two,three"
    assert record["flags"]["data_dir"] == "DIR"
    assert record["flags"]["series_dir"] is None
    assert {"date", "machine", "backend", "versions"} <= set(record)
