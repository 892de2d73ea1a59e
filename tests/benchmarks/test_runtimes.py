"""The benchmark of runtimes: what is kept of earlier runs, the page of a record, and a runtime's process."""

import json
import pathlib
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest

import keras_bsd
from benchmarks.runtimes import files, measuring, report, worker, workers

SETTINGS = {"seconds": 3.0, "least_samples": 4, "rounds": 2, "round_seconds": 0.5}
AGREEMENT = {"samples": 10, "spike_counts": 400, "differing_counts": 0, "largest_difference": 0.0}
DECISIONS = {"decisions": 10, "differing_decisions": 0, "takes_batches": True}
ENVIRONMENT = {"machine": "one", "versions": {"keras_bsd": "0.1.0"}}
# Three samples of two classes, and the counts of four neurons.
SCORES = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.25]], "float32")
COUNTS = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [0, 0, 0, 1]], "uint8")
REFERENCE = files.Reference(
    np.zeros((3, 5), "float32"), {"scores": SCORES, "spike_counts/dense": COUNTS}, True, True
)


class Fake:
    """A runtime that has outputs and latencies; an exception in place of one is raised."""

    version = "1.0"

    def __init__(self, name="fake", outputs=(SCORES, COUNTS), batch_shapes=((3, 2), (3, 4)), times=()):
        self.name, self.outputs, self.batch_shapes, self.times = name, outputs, batch_shapes, [*times]
        self.runs = 0

    def file(self, stem):
        return stem.with_name(f"{stem.name}.onnx")

    def script(self):
        return pathlib.Path(__file__)

    def open(self, stem, outputs):
        pass

    def array(self, x):
        return {}

    def run(self, x, seconds, least):
        self.runs += 1
        return [np.asarray(y, "float32")[:, None] for y in self.outputs]

    def ask(self, do, x, seconds=None):
        if do == "batch":
            return {"shapes": self.batch_shapes}
        median = self.times.pop(0)
        if isinstance(median, Exception):
            raise median
        return {"median": median}


def _measured(runtime):
    return measuring.measure_agreement(runtime, pathlib.Path("float32"), REFERENCE, 3.0, 4)


def _kept(runtime, folder, environment=ENVIRONMENT, seconds=3.0, least=4):
    settings = (environment, seconds, least)
    return measuring.kept_agreement(runtime, folder / "float32", REFERENCE, *settings)


def test_agreement_counts_what_differs():
    scores, counts = SCORES.copy(), COUNTS.copy()
    scores[2], counts[1] = [0.0, 0.25], [3, 2, 0, 1]
    expected = {
        "samples": 3,
        "spike_counts": 12,
        "differing_counts": 2,
        "largest_difference": 0.5,
        "decisions": 3,
        "differing_decisions": 1,
        "takes_batches": True,
    }
    assert _measured(Fake(outputs=(scores, counts))) == expected


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ((SCORES,), "1 outputs in place of 2"),
        ((), "0 outputs in place of 2"),
        ((COUNTS, SCORES), r"output scores has the shape \[3, 1, 4\] in place of \[3, 1, 2\]"),
        ((SCORES, COUNTS[:2]), r"output spike_counts/dense has the shape \[2, 1, 4\] in place of \[3, 1, 4\]"),
    ],
)
def test_other_outputs_are_a_refusal(outputs, message):
    result = _measured(Fake(outputs=outputs))
    assert [*result] == ["error"]
    assert pytest.RaisesExc(match=message).matches(Exception(result["error"]))


def test_a_batch_needs_the_shapes_of_a_batch():
    assert not _measured(Fake(batch_shapes=((1, 2), (1, 4))))["takes_batches"]


def test_an_agreement_is_kept_while_nothing_that_it_depends_on_changes(tmp_path):
    (tmp_path / "float32.counts.onnx").write_bytes(b"one")
    runtime = Fake()
    first = _kept(runtime, tmp_path)
    assert first["samples"] == 3
    assert first["stamp"]["runtime"] == "1.0"
    assert _kept(runtime, tmp_path) == first
    assert runtime.runs == 1
    changes = [
        {"seconds": 4.0},
        {"least": 5},
        {"environment": {**ENVIRONMENT, "machine": "another"}},
        {"environment": {**ENVIRONMENT, "versions": {"keras_bsd": "0.2.0"}}},
    ]
    for number, change in enumerate(changes, start=2):
        assert _kept(runtime, tmp_path, **change)["stamp"] != first["stamp"]
        assert runtime.runs == number
    runtime.version = "1.1"
    assert _kept(runtime, tmp_path)["stamp"]["runtime"] == "1.1"
    (tmp_path / "float32.counts.onnx").write_bytes(b"another")
    _kept(runtime, tmp_path)
    assert runtime.runs == 7


def test_latencies_are_medians_of_rounds_and_of_their_ratios():
    # Two calls that prepare, then a median of each round.
    base = Fake("onnxruntime", times=[9, 0.1, 0.001, 0.002, 0.003])
    other = Fake("mnn", times=[9, 0.1, 0.002, 0.002, 0.012])
    slow = Fake("reference", times=[9, 0.6])
    measured = measuring.measure_latency([base, other, slow], pathlib.Path("float32"), REFERENCE.x, 3, 0.1)
    assert measured["onnxruntime"] == {"milliseconds": pytest.approx(2.0), "ratio": 1.0}
    assert measured["mnn"] == {"milliseconds": pytest.approx(2.0), "ratio": pytest.approx(2.0)}
    assert measured["reference"] == {"milliseconds": pytest.approx(600.0), "ratio": pytest.approx(300.0)}


def test_a_runtime_that_crashes_in_a_round_is_dropped():
    crash = workers.Refused("the process ended with code -11")
    base = Fake("onnxruntime", times=[9, 0.1, 0.001, 0.001])
    measured = measuring.measure_latency(
        [base, Fake("mnn", times=[9, 0.1, 0.002, crash]), Fake("iree", times=[crash])],
        pathlib.Path("float32"),
        REFERENCE.x,
        2,
        0.1,
    )
    assert measured["onnxruntime"]["ratio"] == 1.0
    assert measured["mnn"] == measured["iree"] == {"error": "the process ended with code -11"}


def test_without_onnxruntime_there_are_no_latencies():
    other = Fake("mnn", times=[9, 0.1])
    assert measuring.measure_latency([other], pathlib.Path("float32"), REFERENCE.x, 2, 0.1) == {}
    failing = Fake("onnxruntime", times=[workers.Refused("unknown operation")])
    other = Fake("mnn", times=[9, 0.1])
    measured = measuring.measure_latency([failing, other], pathlib.Path("float32"), REFERENCE.x, 2, 0.1)
    assert measured == {"onnxruntime": {"error": "unknown operation"}}


def test_files_of_other_versions_are_written_anew(tmp_path, monkeypatch):
    written = []

    def write_onnx(model, preset, folder, x_train, length):
        written.append(preset)

    monkeypatch.setattr(files, "load_preset", lambda preset: types.SimpleNamespace())
    monkeypatch.setattr(files, "load_stimuli", lambda *_: (REFERENCE.x, REFERENCE.x))
    monkeypatch.setattr(files, "exported_network", lambda model: None)
    monkeypatch.setattr(files, "write_onnx", write_onnx)
    monkeypatch.setattr(files, "write_litert", lambda *_: None)
    monkeypatch.setattr(files, "expected", lambda network, x: (len(x), REFERENCE.outputs))
    (tmp_path / "int8.tflite").touch()
    (tmp_path / "complete.json").write_text('{"has_classes": true}')  # as earlier versions wrote it
    for versions in ({"keras": "1"}, {"keras": "1"}, {"keras": "2"}):
        reference = files.prepare("mnist_dense", tmp_path, versions, None, None)
        np.testing.assert_array_equal(reference.outputs["scores"], SCORES)
        assert reference.has_classes
        assert reference.is_whole
    assert written == ["mnist_dense", "mnist_dense"]
    assert not (tmp_path / "int8.tflite").exists()


def _content(precision="float32", **cells):
    entry = {"samples": 10, "whole_set": True, "files": {"float32.onnx": 1_500_000}, precision: cells}
    return {
        "settings": SETTINGS,
        "runtimes": {"onnxruntime": "1.0", "iree": None},
        "presets": {"tiny": entry},
    }


def _page(**cells):
    return "\n".join(report.body(_content(**cells)))


def test_a_page_has_differences_latencies_and_sizes():
    other = {**AGREEMENT, **DECISIONS, "samples": 5, "differing_counts": 8, "differing_decisions": 1}
    latency = {"milliseconds": 0.25, "ratio": 1.0}
    page = _page(
        onnxruntime={"agreement": {**AGREEMENT, **DECISIONS}, "latency": latency},
        mnn={"agreement": other, "latency": {"milliseconds": 0.15, "ratio": 0.6}},
    )
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if "|" in line]
    assert ["onnxruntime", "0 (n=10)", "0 (n=10)", "0.25 ms"] in rows
    assert ["mnn", "8 (0.02, n=5)", "1 (0.1, n=5)", "0.60"] in rows
    assert "10 samples, the whole test set. Files: float32.onnx 1.50 MB." in page
    assert "as fit into 3 s" in page
    assert "mnn: 1 of 1 files" in page
    assert "- all those of Keras: onnxruntime\n- mnn: some differ (tiny)" in page


def test_a_page_of_a_network_without_classes_has_the_difference_of_outputs():
    page = _page(onnxruntime={"agreement": {**AGREEMENT, "largest_difference": 0.002, "takes_batches": False}})
    assert "0.002 (n=10)" in page
    assert "onnxruntime: 0 of 1 files" in page


def test_a_page_names_what_is_not_installed_and_what_is_refused():
    page = _page(
        iree={"agreement": {"error": "cannot compile ConvTranspose"}},
        mnn={"agreement": {**AGREEMENT, **DECISIONS}, "latency": {"error": "the process ended with code 1"}},
    )
    assert "not installed" in page
    assert "- iree: cannot compile ConvTranspose (tiny float32)" in page
    assert "- mnn: latency: the process ended with code 1 (tiny float32)" in page


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
    (scores,) = runtime.run(x, seconds=60, least=1)
    np.testing.assert_allclose(scores[:, 0], model.predict(x, verbose=0), atol=1e-5)
    (scores,) = runtime.run(x, seconds=0, least=5)
    assert len(scores) >= 5
    assert runtime.ask("batch", x=runtime.array(x)) == {"shapes": [[6, 3]]}
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


def test_the_clock_starts_after_the_first_call(monkeypatch, tmp_path):
    clock = [0.0]

    def run_batch(x):  # the first call compiles for a minute, others take a second
        clock[0] += 60 if clock[0] == 0 else 1
        return [x]

    monkeypatch.setattr(worker.time, "monotonic", lambda: clock[0])
    x = np.arange(20, dtype="float32").reshape(10, 2)
    x.tofile(tmp_path / "x")
    described = {"path": str(tmp_path / "x"), "shape": x.shape, "type": "float32"}
    running = worker.Worker("reference")
    running.run_batch = run_batch
    assert running.run(described, tmp_path, seconds=3.5, least=1) == {"shapes": [(4, 1, 2)]}
    np.testing.assert_array_equal(np.fromfile(tmp_path / "0.bin", "float32"), np.arange(8))
    assert running.run(described, tmp_path, seconds=0, least=6) == {"shapes": [(6, 1, 2)]}


FAKE_NODE_RUNTIME = """
let calls = 0;
exports.Tensor = class { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } };
exports.InferenceSession = { create: async (path) => ({
  run: async ({ stimulus }) => {
    calls++;
    const dims = path === "turning" && calls % 2 ? [...stimulus.dims, 1] : stimulus.dims;
    return { scores: { data: stimulus.data, dims } };
  } }) };
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_node_refuses_other_outputs_too(tmp_path, monkeypatch):
    script = tmp_path / "benchmarks" / "runtimes" / "node.mjs"
    package = tmp_path / ".venv-peers" / "node" / "node_modules" / "onnxruntime-node"
    script.parent.mkdir(parents=True)
    package.mkdir(parents=True)
    shutil.copy(workers.HERE / "node.mjs", script)
    (package.parents[1] / "package.json").write_text("{}")
    (package / "package.json").write_text('{"version": "1.2.3", "main": "index.js"}')
    (package / "index.js").write_text(FAKE_NODE_RUNTIME)
    monkeypatch.setattr(workers.Runtime, "script", lambda self: script)
    runtime = workers.Runtime("onnxruntime-node")
    try:
        assert runtime.version == "1.2.3"
        x = np.arange(10, dtype="float32").reshape(5, 2)
        runtime.ask("open", path="right", outputs=["scores"])
        (scores,) = runtime.run(x, seconds=0, least=3)
        np.testing.assert_array_equal(scores[:3, 0], x[:3])
        assert runtime.ask("batch", x=runtime.array(x)) == {"shapes": [[5, 2]]}
        runtime.ask("open", path="right", outputs=["scores", "missing"])
        assert runtime.ask("batch", x=runtime.array(x)) == {"shapes": [[5, 2]]}
        runtime.ask("open", path="turning", outputs=["scores"])
        with pytest.raises(workers.Refused, match="same shape"):
            runtime.run(x, seconds=0, least=3)
    finally:
        runtime.close()
