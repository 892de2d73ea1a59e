import json
import re

from tests.recipes.running import run


def test_measures(tmp_path):
    flags = ["--networks=dense", "--batch_sizes=3", "--timesteps=1", "--rounds=1", "--seconds=0"]
    path = tmp_path / "benchmark.json"
    done = run("benchmark_onnxruntime", *flags, "--contenders=onnxruntime", f"--output={path}")
    assert done.returncode == 0, done.stderr
    assert re.match(r"\| dense +\| +3 \| onnxruntime +\|", done.stdout.splitlines()[-1])
    (case,) = json.loads(path.read_text())["measurements"]
    assert case["case"] == ["dense", 3, "onnxruntime"]
    assert len(case["seconds"]) >= 3
    assert min(case["seconds"]) > 0


def test_bad_flags():
    done = run("benchmark_onnxruntime", "--networks=dense,other")
    assert done.returncode
    assert "must be some of dense, conv" in done.stderr
