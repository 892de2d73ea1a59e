import importlib.metadata
import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

import keras_bsd
from keras_bsd.export import export_onnx
from tests.export.networks import lively
from tests.models import pairs
from tests.recipes.running import ROOT, run

LABELS = ["ball", "doll", "kite"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A folder with a network's file and the same eight samples in several, and the samples' labels."""
    folder = tmp_path_factory.mktemp("served")
    keras.utils.set_random_seed(1234)
    model = keras_bsd.applications.SpikingMLP((6, 5, 1), 3, units=(12, 9))
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 5, 1), "uint8")
    stimuli = keras_bsd.applications.preprocess_input(pixels)
    model.compile(keras.optimizers.AdamW(1e-2))
    model.fit(stimuli, np.arange(8) % 3, batch_size=8, epochs=30, verbose=0)  # that labels differ
    export_onnx(model, folder / "network.onnx", labels=LABELS, preprocess=(0, 255))
    Image.fromarray(pixels[0, ..., 0]).save(folder / "first.png")
    np.savez(folder / "whole.npz", x=pixels, y=0)
    np.save(folder / "floats.npy", stimuli)
    np.savetxt(folder / "raw.csv", pixels.reshape(8, -1), fmt="%d", delimiter=",")
    return folder, [LABELS[i] for i in model.predict(stimuli, verbose=0).argmax(axis=1)]


def test_reads_what_there_is(served):
    folder, labels = served
    files = [folder / name for name in ("first.png", "whole.npz", "floats.npy")]
    done = run("serve_onnxruntime", folder / "network.onnx", *files, "--batch_size=3", "--top=2")
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [name for name, *_ in lines[:2]] == [str(files[0]), f"{files[1]}[0]"]
    assert [likeliest.split()[0] for _, likeliest, _ in lines] == [labels[0], *labels, *labels]
    assert len(set(labels)) > 1


def test_reads_lines_and_prints_json(served):
    folder, labels = served
    lines = (folder / "raw.csv").read_text()
    done = run("serve_onnxruntime", folder / "network.onnx", "-", "--raw", "--json", input=lines)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [sample["labels"] for sample in found] == [[label] for label in labels]
    assert found[0]["sample"] == "line 1"
    table = run("serve_onnxruntime", folder / "network.onnx", folder / "raw.csv", "--raw", "--json")
    scores = [json.loads(line)["scores"] for line in table.stdout.splitlines()]
    assert scores == [pytest.approx(sample["scores"]) for sample in found]


def test_values_of_a_network_without_labels(tmp_path):
    model = lively(pairs.regression_pair().encoder)
    export_onnx(model, tmp_path / "network.onnx")
    done = run("serve_onnxruntime", tmp_path / "network.onnx", "-", input="0.1,0.2,0.3,0.4\n\n1,1,1,1\n")
    assert done.returncode == 0, done.stderr
    x = np.array([[0.1, 0.2, 0.3, 0.4], [1, 1, 1, 1]], "float32")
    values = [[float(value) for value in line.split("\t")[1].split()] for line in done.stdout.splitlines()]
    np.testing.assert_allclose(values, model.predict(x, verbose=0), atol=1e-4)


def test_bad_input(served, tmp_path):
    folder, _ = served
    network = folder / "network.onnx"
    Image.new("L", (7, 7)).save(tmp_path / "large.png")
    np.savez(tmp_path / "two.npz", a=np.zeros(3), b=np.zeros(3))
    np.save(tmp_path / "text.npy", np.array(["a", "b"]))
    np.save(tmp_path / "nan.npy", np.full((6, 5, 1), np.nan))
    (tmp_path / "cut.npz").write_bytes((folder / "whole.npz").read_bytes()[:300])
    (tmp_path / "words.csv").write_text("a,b\n")
    (tmp_path / "corrupt.onnx").write_bytes(network.read_bytes()[:300])
    export_onnx(pairs.dense_encoder(), tmp_path / "counts.onnx", outputs="spike_counts")
    export_onnx(pairs.dense_encoder(), tmp_path / "step.onnx", streaming=True)
    for path, file, message in (
        (tmp_path / "step.onnx", "nan.npy", "step.onnx is one time step of a network"),
        (network, "large.png", r"must hold samples of shape \(6, 5, 1\), or of 30 .* shape \(1, 7, 7, 1\)"),
        (network, "two.npz", r"must hold an array `x`, or a single one, and holds \['a', 'b'\]"),
        (network, "text.npy", "must hold numbers. Received: values of type <U1"),
        (network, "nan.npy", "must hold finite numbers"),
        (network, "cut.npz", "cut.npz cannot be read"),
        (network, "words.csv", "words.csv cannot be read"),
        (network, "missing.npy", "cannot be read: .*No such file"),
        (network, "corrupt.onnx", "must end in one of .png, .jpg, .npy, .npz, .csv. Received"),
        (tmp_path / "corrupt.onnx", "nan.npy", "corrupt.onnx is not an ONNX file that can be run"),
        (tmp_path / "counts.onnx", "nan.npy", "without its output `scores`.*'spike_counts/first'"),
    ):
        done = run("serve_onnxruntime", path, tmp_path / file)
        assert done.returncode == 1
        assert re.search(message, done.stderr), done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not done.stdout


def _needed(package):
    """A package's files' top folders, and those of all that it requires."""
    found, waiting = {}, [package]
    while waiting:
        name = waiting.pop()
        if name not in found:
            distribution = importlib.metadata.distribution(name)
            tops = {file.parts[0] for file in distribution.files} - {".."}
            found[name] = {distribution.locate_file(top) for top in tops}
            required = [line for line in distribution.requires or [] if "extra ==" not in line]
            waiting += [re.match(r"[\w.-]+", line).group() for line in required]
    return set().union(*found.values())


def test_needs_onnxruntime_and_numpy_alone(served, tmp_path):
    """In an interpreter that finds nothing besides these and what they require."""
    folder, labels = served
    for path in _needed("onnxruntime") | _needed("numpy"):
        (tmp_path / path.name).symlink_to(path)
    assert not {"keras", "tensorflow", "onnx", "keras_bsd", "PIL"} & {path.name for path in tmp_path.iterdir()}
    program = f"import runpy, sys; sys.path.append({str(tmp_path)!r})"
    program += f"; runpy.run_path({str(ROOT / 'export' / 'serve_onnxruntime.py')!r}, run_name='__main__')"
    command = [sys.executable, "-I", "-S", "-c", program, folder / "network.onnx"]
    done = subprocess.run([*command, folder / "whole.npz"], capture_output=True, text=True)
    assert [line.split("\t")[1].split()[0] for line in done.stdout.splitlines()] == labels, done.stderr
    done = subprocess.run([*command, folder / "first.png"], capture_output=True, text=True)
    assert done.stderr == "error: Images need Pillow: pip install pillow\n"
