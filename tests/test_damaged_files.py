"""Damaged files: what loads is what the intact file holds, or a ValueError names the file."""

import gzip
import json
import pathlib
import shutil

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from keras_bsd import datasets
from keras_bsd.applications import SpikingMLP, load_preset
from keras_bsd.applications import _presets as presets
from keras_bsd.export import export_onnx
from tests.recipes.running import run

NETWORK = {"input_shape": (4,), "classes": 3, "units": (5,), "timesteps": 2}


def weights_of(model):
    return [np.asarray(weight) for weight in model.get_weights()]


def load_own_weights(path):
    model = SpikingMLP(**NETWORK)
    model.load_weights(path)
    return weights_of(model)


def load_images(path):
    return [array for split in datasets.load_images(path) for array in split]


# Functions from a path to arrays by suffix, and whether such a file has checksums of all its values.
LOADERS = {
    ".keras": (
        [lambda path: weights_of(SpikingMLP(weights=path)), lambda path: weights_of(load_preset(path))],
        True,
    ),
    ".weights.h5": ([load_own_weights, lambda path: weights_of(SpikingMLP(**NETWORK, weights=path))], True),
    ".npz": ([load_images], True),
    ".csv": ([lambda path: [datasets.load_series(path, missing="fill").values]], False),
    ".csv.gz": ([lambda path: [datasets.load_series(path).values]], True),
    ".txt": ([lambda path: [np.array(datasets.load_text(path))]], False),
}


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """Intact files by suffix, and what they hold."""
    folder = tmp_path_factory.mktemp("intact")
    model = SpikingMLP(**NETWORK)
    model.save(folder / "a.keras")
    model.save_weights(folder / "a.weights.h5")
    images, classes = np.arange(24, dtype="uint8").reshape(2, 3, 4), np.arange(2)
    np.savez(folder / "a.npz", x_train=images, y_train=classes, x_test=images, y_test=classes)
    rows = "date,load,heat\n" + "".join(f"2020-01-{day:02d},{day},{day / 3:.3f}\n" for day in range(1, 9))
    (folder / "a.csv").write_text(rows)
    (folder / "a.csv.gz").write_bytes(gzip.compress(rows.encode(), mtime=0))
    (folder / "a.txt").write_text("naïve characters, ěščř\n" * 4, encoding="utf-8")
    files = {suffix: folder / f"a{suffix}" for suffix in LOADERS}
    return {suffix: (path.read_bytes(), LOADERS[suffix][0][0](path)) for suffix, path in files.items()}


def damaged(content, position, bits, cut):
    """Return content that is truncated at a position, or has other bits there."""
    at = int(position * (len(content) - 1))
    if cut:
        return content[:at]
    return content[:at] + bytes([content[at] ^ bits]) + content[at + 1 :]


def outcome(load, path):
    """Return what a file holds, or None and the message of the error."""
    try:
        return load(path), None
    except ValueError as error:
        return None, str(error)


def check(load, path, content, expected, has_checksums):
    """Load a damaged file: an error must name it, and other results must be those of the intact file."""
    arrays, message = outcome(load, path)
    if arrays is None:
        assert path.name in message
    elif has_checksums:
        for array, intact in zip(arrays, expected, strict=True):
            np.testing.assert_array_equal(array, intact)
    assert path.read_bytes() == content


DAMAGE = {"position": st.floats(0, 1), "bits": st.integers(1, 255), "cut": st.booleans()}
FAST = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize(
    ("suffix", "examples"),
    [
        (".keras", 12),
        (".weights.h5", 5),
        (".npz", 60),
        (".csv", 60),
        (".csv.gz", 60),
        (".txt", 60),
        pytest.param(".keras", 60, marks=pytest.mark.slow),
        pytest.param(".weights.h5", 60, marks=pytest.mark.slow),
    ],
)
def test_truncated_and_changed_files(intact, tmp_path, suffix, examples):
    content, expected = intact[suffix]
    loaders, has_checksums = LOADERS[suffix]
    path = tmp_path / f"damaged{suffix}"

    @settings(FAST, max_examples=examples)
    @given(**DAMAGE)
    def damage(position, bits, cut):
        changed = damaged(content, position, bits, cut)
        path.write_bytes(changed)
        for load in loaders:
            check(load, path, changed, expected, has_checksums)

    damage()


@pytest.mark.parametrize("suffix", LOADERS)
def test_files_under_other_names(intact, tmp_path, suffix):
    for other, (content, _) in intact.items():
        if other == suffix or {other, suffix} <= {".csv", ".txt"}:  # a table is a text
            continue
        path = tmp_path / f"renamed{suffix}"
        path.write_bytes(content)
        for load in LOADERS[suffix][0]:
            with pytest.raises(ValueError, match=rf"renamed{suffix}"):
                load(path)


def write_preset(folder):
    model = SpikingMLP(**NETWORK)
    model.save_weights(folder / "a.weights.h5")
    record = {
        "application": "SpikingMLP",
        "arguments": {**NETWORK, "neuron": {}},
        "labels": ["ball", "doll", "kite"],
        "sha256": presets.digest(folder / "a.weights.h5"),
    }
    (folder / "a.json").write_text(json.dumps(record))
    return model


def test_damaged_presets(tmp_path):
    model = write_preset(tmp_path)
    expected, path = weights_of(model), tmp_path / "a.json"
    content, weights = path.read_bytes(), (tmp_path / "a.weights.h5").read_bytes()
    x = np.random.default_rng(0).random((5, 4), "float32")
    scores = keras.ops.convert_to_numpy(model(x))

    @settings(FAST, max_examples=60)
    @given(**DAMAGE)
    def damage(position, bits, cut):
        changed = damaged(content, position, bits, cut)
        path.write_bytes(changed)
        loaded, message = outcome(load_preset, path)
        if loaded is None:
            assert "Received: " in message
        else:
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(loaded(x)), scores)
        assert (path.read_bytes(), (tmp_path / "a.weights.h5").read_bytes()) == (changed, weights)

    damage()
    path.write_bytes(content)
    for array, intact_array in zip(weights_of(load_preset(path)), expected, strict=True):
        np.testing.assert_array_equal(array, intact_array)


class Harm:
    """An object whose pickle creates a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_no_code_runs_from_a_file(tmp_path):
    network = tmp_path / "network.onnx"
    export_onnx(SpikingMLP(**NETWORK), network)
    harm, trace = np.array([Harm(tmp_path / "trace")], dtype=object), tmp_path / "trace"
    np.savez(tmp_path / "a.npz", x_train=harm, y_train=harm, x_test=harm, y_test=harm)
    np.save(tmp_path / "a.npy", harm, allow_pickle=True)
    shutil.copy(tmp_path / "a.npy", tmp_path / "b.npz")
    for name in ("a.npz", "b.npz"):
        with pytest.raises(ValueError, match=name):
            datasets.load_images(tmp_path / name)
    assert run("serve_onnxruntime", str(network), str(tmp_path / "a.npy")).returncode == 1
    assert not trace.exists()
    trap = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x)])
    trap.save(tmp_path / "trap.keras")
    with pytest.raises(ValueError, match=r"trap.keras.*lambda"):
        load_preset(tmp_path / "trap.keras")


def test_damaged_images_and_arrays_of_the_server(tmp_path):
    model = SpikingMLP((4, 3, 1), 3, units=(5,), timesteps=2)
    export_onnx(model, tmp_path / "network.onnx", preprocess=(0, 255))
    pixels = np.arange(0, 120, 10, dtype="uint8").reshape(4, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", pixels[..., None])
    np.savez(tmp_path / "a.npz", x=pixels[..., None])
    np.savetxt(tmp_path / "a.csv", pixels.reshape(1, -1) / 255, delimiter=",")
    contents = {name: (tmp_path / name).read_bytes() for name in ("a.png", "a.npy", "a.npz", "a.csv")}

    @settings(FAST, max_examples=20)
    @given(name=st.sampled_from(sorted(contents)), **DAMAGE)
    def damage(name, position, bits, cut):
        path = tmp_path / f"damaged-{name}"
        path.write_bytes(damaged(contents[name], position, bits, cut))
        done = run("serve_onnxruntime", str(tmp_path / "network.onnx"), str(path))
        assert done.returncode in (0, 1)
        assert "Traceback" not in done.stderr
        if done.returncode:
            assert done.stderr.startswith("error: ")
            assert path.name in done.stderr

    damage()
