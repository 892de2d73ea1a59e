"""Presets that the tests of applications share."""

import json

import pytest

from keras_bsd.applications import SpikingMLP
from keras_bsd.applications import _presets as presets


def write_preset(folder, name, **changes):
    """Write a small untrained network and its record as a preset."""
    arguments = {"input_shape": (4,), "classes": 3, "timesteps": 2, "units": (8,), **changes}
    model = SpikingMLP(**arguments)
    path = folder / f"{name}{presets.SUFFIX}"
    model.save_weights(path)
    record = {
        "application": "SpikingMLP",
        "arguments": {**arguments, "neuron": {}},
        "task": "recognition",
        "data": "toys",
        "labels": ["ball", "doll", "kite"],
        "test_accuracy": 0.5,
        "parameters": model.encoder.count_params(),
        "sha256": presets.digest(path),
    }
    (folder / f"{name}.json").write_text(json.dumps(record))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Folder of the only presets: `small`, and `wide` with twice the neurons."""
    monkeypatch.setattr(presets, "FOLDER", tmp_path)
    write_preset(tmp_path, "small")
    write_preset(tmp_path, "wide", units=(16,))
    return tmp_path
