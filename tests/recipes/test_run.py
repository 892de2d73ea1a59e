import csv
import json

import keras
import numpy as np
import pytest

import keras_bsd
from applications import _run


def test_environment():
    found = _run.environment(["pytest", "no-such-package"])
    assert found["versions"]["keras"] == keras.__version__
    assert found["versions"]["keras_bsd"] == keras_bsd.__version__
    assert found["versions"]["no-such-package"] is None
    assert found["versions"]["pytest"]
    assert found["backend"] == keras.config.backend()
    assert "cores" in found["machine"]
    json.dumps(found)


# Backups


def fit(folder, epochs):
    """Train a small model as far as wanted, and return it."""
    folder.mkdir(exist_ok=True)
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    batches = keras_bsd.datasets.Batches(rng.random((16, 4)), rng.random((16, 1)), 8, seed=0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    _run.Run(folder, ["model"]).fit("model", model, batches, epochs, verbose=0)
    return model


def trained_epochs(folder):
    with open(folder / "model.csv", newline="") as rows:
        return [int(row["epoch"]) for row in csv.DictReader(rows)]


def names(backups):
    return [path.name for path in backups.iterdir()]


def test_an_interrupted_backup_leaves_the_one_before(tmp_path, monkeypatch):
    def interrupted(self, filepath, *args, **kwargs):
        filepath.write_bytes(b"half of it")
        raise KeyboardInterrupt

    whole = fit(tmp_path / "whole", 3).get_weights()
    folder = tmp_path / "interrupted"
    fit(folder, 2)
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save_weights", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit(folder, 3)
    assert names(folder / "model.backup") == ["2.weights.h5"]
    for expected, weights in zip(whole, fit(folder, 3).get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)
    assert trained_epochs(folder) == [0, 1, 2, 2]
    assert names(folder / "model.backup") == ["3.weights.h5"]


def test_the_newest_of_two_backups_counts(tmp_path):
    """A process that ends before it has removed the older one leaves two; 10 comes after 9.

    Files of other names, such as those of Keras's own backup, do not count and remain.
    """
    fit(tmp_path, 9)
    older = (tmp_path / "model.backup/9.weights.h5").read_bytes()
    fit(tmp_path, 10)
    (tmp_path / "model.backup/9.weights.h5").write_bytes(older)
    (tmp_path / "model.backup/.writing-killed").mkdir()
    (tmp_path / "model.backup/latest.weights.h5").write_bytes(older)
    fit(tmp_path, 11)
    assert trained_epochs(tmp_path) == list(range(11))
    assert sorted(names(tmp_path / "model.backup")) == [
        ".writing-killed",
        "11.weights.h5",
        "latest.weights.h5",
    ]
