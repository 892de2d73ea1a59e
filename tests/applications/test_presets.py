import json

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds

import keras_bsd
from keras_bsd.applications import SpikingConvNet, SpikingMLP
from keras_bsd.applications import _presets as presets


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two presets: `small`, and `wide` with twice the neurons."""
    monkeypatch.setattr(presets, "FOLDER", tmp_path)
    for name, units in (("small", (8,)), ("wide", (16,))):
        arguments = {"input_shape": (4,), "classes": 3, "timesteps": 2, "units": units}
        model = SpikingMLP(**arguments)
        path = tmp_path / f"{name}.weights.h5"
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
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    return tmp_path


def test_a_preset_says_all_arguments(folder):
    model = SpikingMLP(weights="small")
    assert model.encoder_stages[0].output_features == (8,)
    again = SpikingMLP((4,), 3, units=[8], weights="small")
    x = np.random.default_rng(0).random((5, 4), dtype="float32")
    scores = model.predict(x, verbose=0)
    np.testing.assert_array_equal(again.predict(x, verbose=0), scores)
    named = keras_bsd.applications.decode_predictions(scores, "small", top=1)
    assert [name for ((name, _),) in named] == [["ball", "doll", "kite"][i] for i in scores.argmax(axis=1)]


def test_a_preset_without_top(folder):
    features = SpikingMLP(weights="small", include_top=False, classes=77)
    x = np.random.default_rng(0).random((5, 4), dtype="float32")
    spikes = SpikingMLP(weights="small").spikes(x)["dense_1"]
    np.testing.assert_array_equal(features.predict(x, verbose=0), spikes)


def test_list_presets(folder, capsys):
    assert keras_bsd.applications.list_presets() == ["small", "wide"]
    header, small, _ = capsys.readouterr().out.splitlines()
    columns = ["preset", "application", "task", "data", "test", "score", "parameters", "size"]
    assert header.split() == columns
    assert small.split()[:6] == ["small", "SpikingMLP", "recognition", "toys", "50.00%", "91"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpikingMLP((4,), 5, weights="small"), "classes=3.*that fit your arguments: none; train one"),
        (lambda: SpikingMLP((5,), weights="small"), r"Received: SpikingMLP\(input_shape=\(5,\)\)"),
        (lambda: SpikingMLP(timesteps=7, weights="small"), r"Received: SpikingMLP\(timesteps=7\)"),
        (lambda: SpikingMLP(units=(16,), weights="small"), "that fit your arguments: 'wide'"),
        (lambda: SpikingMLP(neuron={"beta": 0.9}, weights="small"), "neuron={'beta': 0.9}"),
        (lambda: SpikingConvNet(weights="small"), r"Preset 'small' is SpikingMLP\(input_shape=\(4,\)"),
        (lambda: SpikingMLP((4,), 3, weights="smal"), "a preset \\('small', 'wide'\\) or the path"),
        (lambda: presets.record("smal"), "Unknown preset; there are 'small', 'wide'. Received: 'smal'"),
    ],
)
def test_presets_that_do_not_fit(folder, make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("harm", ["cut", "flipped", "lost"])
def test_damaged_weights_are_refused(folder, harm):
    path = folder / "small.weights.h5"
    content = bytearray(path.read_bytes())
    if harm == "cut":
        path.write_bytes(content[:-100])
    elif harm == "flipped":
        content[-50] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    with pytest.raises(ValueError, match=r"not as published: expected SHA-256 .* Install keras_bsd again"):
        SpikingMLP(weights="small")


def test_a_damaged_file_is_refused(tmp_path):
    model = SpikingMLP((4,), 3, units=(8,))
    for name, save in (("a.weights.h5", model.save_weights), ("a.keras", model.save)):
        save(tmp_path / name)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:2000])
        with pytest.raises(ValueError, match="not a whole file of weights"):
            SpikingMLP((4,), 3, units=(8,), weights=tmp_path / name)


@pytest.mark.parametrize("name", presets.names())
def test_published_presets(name):
    """They load, hash and all, and are whole records."""
    known = presets.record(name)
    model = getattr(keras_bsd.applications, known["application"])(weights=name)
    assert model.encoder.count_params() == known["parameters"]
    if known["task"] == "recognition":
        assert len(known["labels"]) == model.encoder.output_shape[-1]
    (score,) = set(known) & set(presets.SCORE_FORMATS)
    training = known["training"]
    methods = training["flags"]["method"]
    assert training["method"] == next(method for method in methods if method in ("rate", "readouts"))
    assert known[score] == pytest.approx(training["scores"][score.removeprefix("test_")], abs=5e-3)
    recipes = {"recognition": "recognition", "generation": "generation"}
    recipe = f"applications/train_{recipes.get(known['task'], 'regression')}.py"
    assert known["command"].split()[1] == recipe
    path = presets.weights_path(name)
    assert path.stat().st_size <= 10e6
    assert isinstance(model, keras.Model)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in presets.names() if presets.record(name)["task"] == "recognition"]
)
def test_published_accuracy(name):
    """Where the data have been prepared: `TFDS_DATA_DIR` says where."""
    known = presets.record(name)
    if not tfds.builder(known["data"]).is_prepared():
        pytest.skip(f"{known['data']} is not there")
    model = getattr(keras_bsd.applications, known["application"])(weights=name)
    model.compile(metrics=["accuracy"])
    _, test = keras_bsd.datasets.load_images(known["data"])
    accuracy = model.evaluate(*test, batch_size=500, verbose=0, return_dict=True)["accuracy"]
    assert accuracy == pytest.approx(known["test_accuracy"], abs=5e-4)


def test_presets_are_small_together():
    assert sum(path.stat().st_size for path in presets.FOLDER.iterdir()) <= 30e6
