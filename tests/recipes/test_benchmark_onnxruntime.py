import json
import re

import pytest

import keras_bsd
from tests.recipes.running import loaded, run

FLAGS = ["--networks=dense", "--batch_sizes=3", "--timesteps=1", "--rounds=1", "--seconds=0"]


@pytest.mark.slow
def test_measures(tmp_path):
    path = tmp_path / "inference.md"
    contenders = "--contenders=onnxruntime,predict"
    done = run("benchmark_onnxruntime", *FLAGS, contenders, f"--output={path}")
    assert done.returncode == 0, done.stderr
    table = done.stdout.splitlines()[-2:]
    assert re.match(r"\| dense +\| 3 +\| onnxruntime +\|", table[0])
    assert re.match(r"\| dense +\| 3 +\| predict +\| .* 1.000", table[1])
    page = path.read_text()
    assert done.stdout.rstrip() in page
    assert "-m benchmarks.benchmark_onnxruntime --networks=dense --batch_sizes=3" in page
    record = json.loads(path.with_suffix(".json").read_text())
    assert record["versions"]["keras_bsd"] == keras_bsd.__version__
    cases = [measurement["case"] for measurement in record["measurements"]]
    assert cases == [["dense", 3, "onnxruntime"], ["dense", 3, "predict"]]
    for measurement in record["measurements"]:
        assert len(measurement["seconds"]) >= 3
        assert min(measurement["seconds"]) > 0


def test_measures_a_case(tmp_path):
    with loaded("benchmark_onnxruntime") as benchmark:
        case = {"network": "dense", "timesteps": 1}
        path = tmp_path / "dense.onnx"
        keras_bsd.export.export_onnx(benchmark.build(case), path)
        case |= {"contender": "onnxruntime", "batch_size": 3, "threads": 1, "seconds": 0, "file": str(path)}
        seconds = benchmark.measure(case)
    assert len(seconds) == 3
    assert min(seconds) > 0


def test_bad_flags():
    done = run("benchmark_onnxruntime", "--networks=dense,other")
    assert done.returncode
    assert "must be some of dense, conv" in done.stdout + done.stderr
