"""The benchmark of runtimes: the page of a record, and a runtime's process."""

import json
import subprocess
import sys

import numpy as np
import pytest

import keras_bsd
from benchmarks.runtimes import report, worker, workers

AGREEMENT = {"samples": 10, "spike_counts": 400, "differing_counts": 0, "largest_difference": 0.0}
DECISIONS = {"decisions": 10, "differing_decisions": 0, "takes_batches": True}


def _record(**cells):
    entry = {"samples": 10, "whole_set": True, "files": {"float32.onnx": 1_500_000}, "float32": cells}
    return {"runtimes": {"onnxruntime": "1.0", "iree": None}, "presets": {"tiny": entry}}


def _page(**cells):
    return "\n".join(report.body(_record(**cells)))


def test_a_page_has_differences_latencies_and_sizes():
    other = {**AGREEMENT, **DECISIONS, "samples": 5, "differing_counts": 8, "differing_decisions": 1}
    latency = {"milliseconds": 0.25, "ratio": 1.0}
    page = _page(
        onnxruntime={"agreement": {**AGREEMENT, **DECISIONS}, "latency": latency},
        mnn={"agreement": other, "latency": {"milliseconds": 0.15, "ratio": 0.6}},
    )
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if "|" in line]
    assert ["onnxruntime", "0", "0", "0.25 ms"] in rows
    assert ["mnn", "8 (0.02) (n=5)", "1 (0.1)", "0.60"] in rows
    assert "10 samples, the whole test set. Files: float32.onnx 1.50 MB." in page
    assert "mnn: 1 of 1 files" in page


def test_a_page_names_what_is_not_installed_and_what_is_refused():
    page = _page(iree={"agreement": {"error": "cannot compile ConvTranspose"}})
    assert "not installed" in page
    assert "iree: cannot compile ConvTranspose (tiny float32)" in page


def test_an_error_is_the_line_that_names_the_operation():
    text = "a.mlir:1: error: failed to legalize operation 'x': <{name = \"onnx.ConvTranspose\"}>\nmore"
    assert report.shorten(text) == "cannot compile ConvTranspose"
    assert report.shorten("Traceback\nError in /tmp/a/b/model.onnx | 3\nlast") == "Error in model.onnx / 3"


def test_every_runtime_has_a_pinned_package(pytestconfig):
    pinned = (pytestconfig.rootpath / "benchmarks/peers/runtimes.txt").read_text()
    for package, _ in worker.RUNTIMES.values():
        assert f"{package}==" in pinned
    assert set(json.loads((workers.HERE / "package.json").read_text())["dependencies"]) == set(workers.NODE)


@pytest.mark.slow
def test_a_worker_runs_a_file(tmp_path):
    pytest.importorskip("onnxruntime")
    model = keras_bsd.applications.SpikingMLP((4,), 3, timesteps=2, units=(5,))
    keras_bsd.export.export_onnx(model, tmp_path / "network.onnx")
    x = np.random.default_rng(0).random((6, 4), "float32")
    runtime = workers.Runtime("onnxruntime")
    runtime.open(tmp_path / "network", ["scores"])
    (scores,) = runtime.run(x, seconds=60)
    np.testing.assert_allclose(scores[:, 0], model.predict(x, verbose=0), atol=1e-5)
    assert runtime.ask("time", x=runtime.array(x), seconds=0)["median"] > 0
    with pytest.raises(workers.Refused, match="unknown"):
        runtime.ask("open", path=str(tmp_path / "unknown.onnx"), outputs=[])
    runtime.close()


@pytest.mark.slow
def test_a_runtime_that_is_not_installed_says_so():
    program = "import sys; sys.path.insert(0, sys.argv[1]); import worker\n"
    program += "worker.RUNTIMES['x'] = ('no-such-package', None); worker.main('x')"
    command = [sys.executable, "-c", program, str(workers.HERE)]
    done = subprocess.run(command, input="", capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"error": "not installed"}
