"""The recipe of recognition on recordings of events."""

import json

import numpy as np
import pytest

import keras_bsd
from tests.recipes.running import loaded, run

SMALL = ["--epochs=2", "--units=12,8", "--bins=6", "--validation=0"]


def _metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "shape"),
    [
        (["--dataset=events:digits", "--samples=200", "--downsampling=2", "--neuron=alif"], [6, 7, 7, 2]),
        (["--dataset=events:sweeps", "--samples=60", "--network=rnn", "--method=rate,backprop"], [6, 70]),
    ],
)
def test_simulated_recordings(flags, shape, tmp_path):
    done = run("train_recognition", *SMALL, "--method=rate", *flags, f"--output_dir={tmp_path}")
    assert "of 6 time steps" in done.stdout
    record = _metrics(tmp_path)
    assert record["arguments"]["input_shape"] == shape
    for result in record["methods"].values():
        over_time = result["scores"]["accuracy_over_time"]
        assert len(over_time) == 6
        assert over_time[-1] == pytest.approx(result["scores"]["accuracy"], abs=1e-6)
        assert 1 <= result["scores"]["latency"] <= 6
    assert (tmp_path / "report.png").stat().st_size > 1000


def _folder(path):
    """Write recordings of two classes, in opposite halves of a sensor, and return their folder."""
    generator = np.random.default_rng(0)
    for split, count in (("Train", 6), ("Test", 3)):
        for label, name in enumerate(("left", "right")):
            folder = path / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                x = generator.integers(0, 4, 50) + 4 * label
                fields = [np.sort(generator.integers(0, 1000, 50)), x, generator.integers(0, 6, 50)]
                events = np.rec.fromarrays([*fields, generator.integers(0, 2, 50)], names="t,x,y,p")
                np.save(folder / f"{i}.npy", np.asarray(events))
    return path


def test_recordings_in_a_folder(tmp_path):
    with loaded("train_recognition"):
        from tasks.events import EventRecognition

        folder = _folder(tmp_path)
        task = EventRecognition(str(folder), bins=4, samples=8, sensor_size=(8, 6), downsampling=2)
        assert task.labels == ["left", "right"]
        assert task.training[0].shape == (8, 4, 3, 4, 2)
        assert task.test[0].shape == (6, 4, 3, 4, 2)
        for x, y in (task.training, task.test):
            left = x[..., :2, :].sum(axis=(1, 2, 3, 4))
            np.testing.assert_array_equal(left == 50, y == 0)
        (folder / "Test").rename(folder / "other")
        with pytest.raises(ValueError, match=r"must have folders `train` and `test`.* without `test`"):
            EventRecognition(str(folder), bins=4, sensor_size=(8, 6))


def test_simulated_frames_are_those_of_the_library():
    with loaded("train_recognition"):
        from tasks.events import EventRecognition

        task = EventRecognition("digits", bins=5, samples=3)
        (x, y), _ = keras_bsd.datasets.load_images("digits")
        expected = keras_bsd.datasets.simulate_event_frames(x[:3], 5)
        np.testing.assert_array_equal(task.training[0], expected)
        np.testing.assert_array_equal(task.training[1], y[:3])
        merged = EventRecognition("digits", bins=5, samples=3, downsampling=2).training[0]
        np.testing.assert_array_equal(merged[:, :, 0, 0], expected[:, :, :2, :2].sum(axis=(2, 3)))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset=events:digits", "--flip"], "events exclude"),
        (["--dataset=events:digits", "--method=ann"], "events exclude"),
        (["--dataset=events:digits", "--timesteps=4"], "with --network=rnn alone"),
        (["--network=rnn", "--method=paper"], "--network=rnn excludes"),
        (["--neuron=if", "--beta=0.5"], "--neuron=if has no leak"),
    ],
)
def test_flags_that_exclude_each_other(flags, message):
    with loaded("train_recognition") as recipe, pytest.raises(Exception, match=message):
        recipe.FLAGS(["train_recognition", *flags])
