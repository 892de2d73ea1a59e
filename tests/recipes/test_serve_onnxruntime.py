import importlib.metadata
import json
import re
import shutil
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


def serve(*arguments, **kwargs):
    return run("serve_onnxruntime", *map(str, arguments), **kwargs)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A folder with a network's file and the same eight samples in several formats, and the samples' labels."""
    folder = tmp_path_factory.mktemp("served")
    keras.utils.set_random_seed(1234)
    model = keras_bsd.applications.SpikingMLP((6, 5, 1), 3, units=(12, 9))
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 5, 1), "uint8")
    stimuli = keras_bsd.applications.preprocess_input(pixels)
    for seed in range(100):  # until labels differ, clearly
        scores = lively(model.encoder, seed).predict(stimuli, verbose=0)
        highest = np.sort(scores)
        if np.ptp(scores.argmax(axis=1)) and (highest[:, -1] - highest[:, -2]).min() > 0.01:
            break
    export_onnx(model, folder / "network.onnx", labels=LABELS, preprocess=(0, 255))
    Image.fromarray(pixels[0, ..., 0]).save(folder / "first.png")
    np.savez(folder / "whole.npz", x=pixels, y=0)
    np.save(folder / "floats.npy", stimuli)
    np.savetxt(folder / "raw.csv", pixels.reshape(8, -1), fmt="%d", delimiter=",")
    return folder, [LABELS[i] for i in scores.argmax(axis=1)]


def test_reads_images_and_arrays(served):
    folder, labels = served
    files = [folder / name for name in ("first.png", "whole.npz", "floats.npy")]
    done = serve(folder / "network.onnx", *files, "--batch_size=3", "--top=2")
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [name for name, *_ in rows[:2]] == [str(files[0]), f"{files[1]}[0]"]
    assert [top.split()[0] for _, top, _ in rows] == [labels[0], *labels, *labels]
    assert len(set(labels)) > 1


def test_reads_lines_and_prints_json(served):
    folder, labels = served
    lines = (folder / "raw.csv").read_text()
    done = serve(folder / "network.onnx", "-", "--raw", "--json", input=lines)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["labels"] for row in rows] == [[label] for label in labels]
    assert rows[0]["sample"] == "line 1"
    table = serve(folder / "network.onnx", folder / "raw.csv", "--raw", "--json")
    scores = [json.loads(line)["scores"] for line in table.stdout.splitlines()]
    assert scores == [pytest.approx(row["scores"]) for row in rows]


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    """A network without labels and preprocessing, and the path of its file."""
    model, path = lively(pairs.regression_pair().encoder), tmp_path_factory.mktemp("values") / "values.onnx"
    export_onnx(model, path)
    return model, path


def test_prints_values_of_a_network_without_labels(values):
    model, path = values
    done = serve(path, "-", input="0.1,0.2,0.3,0.4\n\n1,1,1,1\n")
    assert done.returncode == 0, done.stderr
    x = np.array([[0.1, 0.2, 0.3, 0.4], [1, 1, 1, 1]], "float32")
    rows = [[float(value) for value in line.split("\t")[1].split()] for line in done.stdout.splitlines()]
    np.testing.assert_allclose(rows, model.predict(x, verbose=0), atol=1e-4)


@pytest.fixture(scope="module")
def bad(served, values, tmp_path_factory):
    """A folder with files that cannot be served, and networks that cannot serve."""
    folder, (source, _) = tmp_path_factory.mktemp("bad"), served
    network = (source / "network.onnx").read_bytes()
    (folder / "network.onnx").write_bytes(network)
    (folder / "corrupt.onnx").write_bytes(network[:300])
    export_onnx(pairs.dense_encoder(), folder / "counts.onnx", outputs="spike_counts")
    export_onnx(pairs.dense_encoder(), folder / "step.onnx", streaming=True)
    shutil.copy(values[1], folder)
    Image.new("L", (7, 7)).save(folder / "large.png")
    np.savez(folder / "two.npz", a=np.zeros(3), b=np.zeros(3))
    np.save(folder / "text.npy", np.array(["a", "b"]))
    np.save(folder / "nan.npy", np.full((6, 5, 1), np.nan))
    np.save(folder / "ints.npy", np.zeros(4, int))
    (folder / "cut.npz").write_bytes((source / "whole.npz").read_bytes()[:300])
    (folder / "words.csv").write_text("a,b\n")
    return folder


@pytest.mark.parametrize(
    ("network", "file", "message"),
    [
        ("step.onnx", "nan.npy", "step.onnx is one timestep of a network"),
        ("network.onnx", "large.png", r"samples of shape \(6, 5, 1\), or of 30 .* shape \(1, 7, 7, 1\)"),
        ("network.onnx", "two.npz", r"an array `x` or a single array. Received: \['a', 'b'\]"),
        ("network.onnx", "text.npy", "must hold numbers. Received: dtype <U1"),
        ("network.onnx", "nan.npy", "must hold finite numbers"),
        ("network.onnx", "cut.npz", "cut.npz cannot be read"),
        ("network.onnx", "words.csv", "words.csv cannot be read"),
        ("network.onnx", "missing.npy", "cannot be read: .*No such file"),
        ("network.onnx", "corrupt.onnx", "must end in one of .png, .jpg, .npy, .npz, .csv. Received"),
        ("corrupt.onnx", "nan.npy", "corrupt.onnx is not an ONNX file that can be run"),
        ("counts.onnx", "nan.npy", "with the output `scores`.*'spike_counts/first'"),
        ("values.onnx", "ints.npy", "specifies no preprocessing"),
        ("values.onnx", "large.png", r"an image, but the network takes stimuli of shape \(4,\)"),
    ],
)
def test_bad_input(network, file, message, bad):
    done = serve(bad / network, bad / file)
    assert done.returncode == 1
    assert re.search(message, done.stderr), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


def images_of_other_depths(pixels):
    """Return one image in formats that hold it, by the names of files, and others that no network takes."""
    bits = Image.fromarray(np.where(pixels > 127, 255, 0).astype("uint8"))
    palette = Image.fromarray(pixels).convert("P")
    half = Image.merge("LA", [Image.fromarray(pixels), Image.fromarray(np.full_like(pixels, 128))])
    return {
        "gray.png": Image.fromarray(pixels),
        "deep.png": Image.fromarray(pixels.astype("uint16") * 257),
        "palette.png": palette,
        "colour.png": Image.fromarray(pixels).convert("RGB"),
        "opaque.png": Image.fromarray(pixels).convert("RGBA"),
        "bit.png": bits.convert("1"),
        "bits.png": bits,
        "half.png": half,
    }


def test_images_of_any_depth_are_scaled_alike(served, tmp_path):
    folder, _ = served
    for name, image in images_of_other_depths(np.load(folder / "whole.npz")["x"][0, ..., 0]).items():
        image.save(tmp_path / name)
    names = ["gray.png", "deep.png", "palette.png", "colour.png", "opaque.png", "bit.png", "bits.png"]
    done = serve(folder / "network.onnx", *(tmp_path / name for name in names), "--json", "--top=3")
    assert done.returncode == 0, done.stderr
    *same, bit, bits = [json.loads(line)["scores"] for line in done.stdout.splitlines()]
    for scores in same:
        assert scores == pytest.approx(same[0], abs=1e-5)
    assert bit == pytest.approx(bits, abs=1e-5)
    assert bit != pytest.approx(same[0], abs=1e-3)
    done = serve(folder / "network.onnx", tmp_path / "half.png")
    assert "half.png cannot be read: it has transparent pixels" in done.stderr


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            np.full((6, 5, 1), 4096, "uint16"),
            r"stimuli in \[0, 1\], raw data .* Received: uint16 from 4096 to 4096",
        ),
        (np.full((6, 5, 1), -1), "Received: int64 from -1 to -1"),
        (np.full((6, 5, 1), 255.0), r"stimuli in \[0, 1\]. Received: float64 from 255 to 255"),
    ],
)
def test_stimuli_out_of_range(served, tmp_path, values, message):
    np.save(tmp_path / "x.npy", values)
    done = serve(served[0] / "network.onnx", tmp_path / "x.npy")
    assert done.returncode == 1
    assert re.search(message, done.stderr), done.stderr


def test_token_ids(tmp_path):
    export_onnx(pairs.character_pair(), tmp_path / "text.onnx", length=3, labels=["a", "b", "c"])
    assert serve(tmp_path / "text.onnx", "-", input="0,1,2\n").returncode == 0
    for line in ("0,1,3", "-1,0,0", "0,0.5,1"):
        done = serve(tmp_path / "text.onnx", "-", input=f"{line}\n")
        assert re.search(r"line 1 must hold token ids, integers in \[0, 2\]. Received: ", done.stderr), (
            done.stderr
        )


def test_paths_in_the_home_folder(served, monkeypatch):
    monkeypatch.setenv("HOME", str(served[0]))
    assert serve("~/network.onnx", "~/first.png").returncode == 0


def test_bad_line(served):
    done = serve(served[0] / "network.onnx", "-", input="1,2,three\n")
    assert done.returncode == 1
    assert "line 1 must hold numbers separated by commas" in done.stderr


def test_bad_arguments(served):
    done = serve(served[0] / "network.onnx", "-", "--top=0")
    assert done.returncode == 2
    assert "--top must be at least 1. Received: --top=0" in done.stderr


def _folders(package):
    """Return the top folders and files of a package and of everything that it requires."""
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


@pytest.mark.slow
def test_needs_onnxruntime_and_numpy_alone(served, tmp_path):
    """The interpreter of this process has these packages and what they require, and no others."""
    folder, labels = served
    for path in _folders("onnxruntime") | _folders("numpy"):
        (tmp_path / path.name).symlink_to(path)
    assert not {"keras", "tensorflow", "onnx", "keras_bsd", "PIL"} & {path.name for path in tmp_path.iterdir()}
    program = f"import runpy, sys; sys.path.append({str(tmp_path)!r})"
    program += f"; runpy.run_path({str(ROOT / 'export' / 'serve_onnxruntime.py')!r}, run_name='__main__')"
    command = [sys.executable, "-I", "-S", "-c", program, folder / "network.onnx"]
    done = subprocess.run([*command, folder / "whole.npz"], capture_output=True, text=True)
    assert [line.split("\t")[1].split()[0] for line in done.stdout.splitlines()] == labels, done.stderr
    done = subprocess.run([*command, folder / "first.png"], capture_output=True, text=True)
    assert done.stderr == "error: Images need Pillow: pip install pillow\n"


@pytest.mark.slow
def test_ends_quietly_when_the_reader_closes_the_pipe(served):
    folder, _ = served
    command = [sys.executable, ROOT / "export" / "serve_onnxruntime.py", folder / "network.onnx", "-", "--raw"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        _, errors = process.communicate((folder / "raw.csv").read_text())
    assert process.returncode == 1
    assert not errors
