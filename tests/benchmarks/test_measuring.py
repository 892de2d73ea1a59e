"""Measuring scripts with tiny settings."""

import csv
import importlib.util
import json
import os
import re
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd.models import _windows
from tests.recipes.running import ROOT, loaded, run

TINY_STUDY = ["--epochs=1", "--samples=200", "--units=8"]


def test_study_of_rules(tmp_path):
    done = run("study_rules", *TINY_STUDY, "--only=depth 2", f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    (accuracies,) = json.loads((tmp_path / "study.json").read_text())["accuracy"].values()
    assert all(0 <= accuracy <= 1 for accuracy in accuracies)
    page = (tmp_path / "study.md").read_text()
    assert "'--only=depth 2'" in page
    row = next(row for row in page.splitlines() if "depth 2 " in row)
    assert row.split("|")[3].strip() == f"{100 * accuracies[0]:.2f}"


@pytest.mark.slow
def test_probes_classify_by_each_stage(tmp_path):
    done = run(
        "study_rules", *TINY_STUDY, "--units=32", "--only=default", "--probes", f"--output_dir={tmp_path}"
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "study.json").read_text())
    ((accuracies,),) = record["probes"].values()
    assert len(accuracies) == 5
    assert accuracies[0] > 0.3
    written = ", ".join(f"{100 * accuracy:.1f}" for accuracy in accuracies)
    assert f"| {written} |" in (tmp_path / "study.md").read_text()


@pytest.mark.slow
def test_study_of_stages_that_another_method_trains(tmp_path):
    """The first two stages are trained first, and frozen."""
    variants = "two stages by backprop then the rest by BSD"
    path = tmp_path / "stages.md"
    done = run("study_rules", *TINY_STUDY, f"--only={variants}", f"--output_dir={tmp_path}", f"--output={path}")
    assert done.returncode == 0, done.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == ["stages.md", "study.json"]


@pytest.mark.slow
def test_study_of_networks_without_spikes(tmp_path):
    flags = ["--filters=4,6,8", "--pool_sizes=2,1,1", "--epochs=4", f"--output_dir={tmp_path}"]
    done = run("study_rules", *flags, '--only="dense skips, ReLU","dense skips, ReLU, backprop"')
    assert done.returncode == 0, done.stderr
    for curve, *_ in json.loads((tmp_path / "study.json").read_text())["curves"].values():
        assert curve[-1] > max(0.4, curve[0])


def test_rectified_currents_have_the_slope_of_their_sum_over_time():
    currents = ops.convert_to_tensor(np.array([[[-1.0], [2.0], [3.0]]], "float32"))
    with loaded("study_rules") as study:
        outputs, slopes = study.rectify(currents, linearize=True)
        assert ops.convert_to_numpy(study.rectify(currents)).ravel().tolist() == [0, 2, 3]
    assert ops.convert_to_numpy(outputs).ravel().tolist() == [0, 2, 3]
    assert ops.convert_to_numpy(slopes).tolist() == [[2]]


def test_unknown_variant():
    done = run("study_rules", "--only=default,other")
    assert done.returncode
    assert "no codebook, dissimilar negatives" in done.stdout + done.stderr
    assert "Received: other" in done.stdout + done.stderr


def test_published_commands_name_variants():
    pages = [page.read_text() for page in (ROOT / "benchmarks" / "results").glob("*.md")]
    flags = [only for page in pages for _, only in re.findall(r"""--only=(["'])(.*?)\1""", page)]
    names = [name for row in csv.reader(flags) for name in row]
    assert len(names) > 3
    with loaded("study_rules") as study:
        assert set(names) <= set(study.variants())


@pytest.mark.slow
def test_windows_of_time(tmp_path, monkeypatch):
    for name in ("OF_MAPS", "OF_VECTORS"):
        monkeypatch.setattr(_windows, name, getattr(_windows, name))
    path = tmp_path / "windows.md"
    flags = ["--timesteps=33", "--epochs=2", "--batch_size=700", "--seeds=1", "--windows=0,16"]
    done = run("compare_windows", "--networks=dense", *flags, f"--output={path}")
    assert done.returncode == 0, done.stderr
    header, _, *rows = done.stdout.splitlines()
    assert header == "| network | all at once | windows of 16 |"
    (name, *accuracies), (_, *times) = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows)
    assert name == "dense, %"
    assert all(0 <= float(accuracy) <= 100 for accuracy in accuracies)
    assert all(float(time) > 0 for time in times)
    assert "# Windows of time" in path.read_text()


@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="only TensorFlow leaves XLA out")
def test_compilation(tmp_path):
    path = tmp_path / "compilation.md"
    flags = ["--networks=digits", "--batch_sizes=64", "--repeats=1"]
    done = run("measure_compilation", *flags, f"--output={path}")
    assert done.returncode == 0, done.stderr
    _, _, row = done.stdout.splitlines()
    name, size, *times, pays, chosen = (cell.strip() for cell in row.strip("|").split("|"))
    assert (name, size) == ("digits", "64")
    assert all(float(time) > 0 for time in times)
    assert pays == "never" or int(pays) > 0
    assert int(chosen) == 1065  # 1500 / (1 + 64 * 128 / 20,000)
    assert "# When XLA pays on TensorFlow and a CPU" in path.read_text()


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="needs JAX")
def test_scaling(tmp_path):
    command = [
        sys.executable,
        "-m",
        "benchmarks.measure_scaling",
        "--quantities=processes",
        "--longest=2",
    ]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [*command, "--repeats=1", f"--output_dir={tmp_path}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()[2:4]]
    assert [row[:2] for row in rows] == [["processes", "1"], ["processes", "2"]]
    assert rows[0][-1] == "1.00"
    assert all(float(value) > 0 for row in rows for value in row[2:])
    assert "# How training scales" in (tmp_path / "scaling.md").read_text()
    assert "</svg>" in (tmp_path / "scaling.svg").read_text()


@pytest.mark.slow
def test_callbacks(tmp_path):
    path = tmp_path / "callbacks.md"
    done = run("measure_callbacks", "--samples=128", "--batch_size=64", "--epochs=2", f"--output={path}")
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines()[2:]]
    assert rows == ["none: 2 steps", "LayerAlignment", "StimulusGrid", "FiringRateCheck"]
    assert "# What callbacks cost" in path.read_text()


@pytest.mark.parametrize("script", ["count_operations", "measure_sequences"])
@pytest.mark.skipif(keras.config.backend() == "jax", reason="is for other backends")
def test_needs_jax(script):
    done = run(script)
    assert done.returncode
    assert "set KERAS_BACKEND=jax" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="needs JAX")
@pytest.mark.parametrize(
    ("script", "flags", "rules"),
    [
        ("count_operations", ["--timesteps=1"], ["backprop", "surrogate", "rate"]),
        ("measure_sequences", ["--windows=4", "--repeats=1"], ["backprop", "rate"]),
    ],
)
def test_counts_of_xla(script, flags, rules, tmp_path):
    path, network = tmp_path / "page.md", {"count_operations": "dense", "measure_sequences": "forecast"}[script]
    flags = [*flags, f"--networks={network}", "--batch_size=2", f"--output={path}"]
    command = [sys.executable, "-m", f"benchmarks.{script}", *flags]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()[2:]]
    assert [row[2] for row in rows] == rules
    assert rows[0][4] == "1.00"  # backpropagation as a fraction of itself
    page = path.read_text()
    assert f"KERAS_BACKEND=jax .venv/bin/python -m benchmarks.{script}" in page
    assert all(value in page for value in rows[-1])


class ToFrame:
    """What tonic's transform returns, one event at a time."""

    def __init__(self, sensor_size, n_time_bins):
        self.shape, self.bins = (n_time_bins, *sensor_size[::-1]), n_time_bins

    def __call__(self, events):
        frames = np.zeros(self.shape, "int16")
        bins = np.minimum(events["t"] * self.bins // events["t"][-1], self.bins - 1)
        for i, event in zip(bins, events, strict=True):
            frames[i, int(event["p"]), event["y"], event["x"]] += 1
        return frames


def test_events_to_frames_beside_tonic(tmp_path, monkeypatch):
    transforms = types.ModuleType("tonic.transforms")
    transforms.ToFrame = ToFrame
    monkeypatch.setitem(sys.modules, "tonic.transforms", transforms)
    flags = ["--events=3000", "--rounds=1", '--cases="N-MNIST, 20 bins"']
    done = run("measure_events", *flags, f"--output={tmp_path / 'events.md'}")
    assert done.returncode == 0, done.stderr
    row = next(row for row in (tmp_path / "events.md").read_text().splitlines() if "| N-MNIST" in row)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert float(cells[2]) >= float(cells[1]) >= 0
    assert int(cells[-1]) <= 3
    with loaded("measure_events", *flags) as script:
        frames = np.ones((2, 3, 4, 2))
        assert script.compare(frames, np.ones((2, 2, 3, 4), "int16")) == 0
        with pytest.raises(RuntimeError, match=r"The frames must be nearly equal. Received: 24 events"):
            script.compare(frames, np.ones((1, 2, 3, 4), "int16"))
