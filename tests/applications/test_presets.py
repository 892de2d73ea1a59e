import keras
import pytest
import tensorflow_datasets as tfds

import keras_bsd
from keras_bsd.applications import SpikingMLP
from keras_bsd.applications import _presets as presets


def test_list_presets(folder, capsys):
    assert keras_bsd.applications.list_presets() == ["small", "wide"]
    header, small, _ = capsys.readouterr().out.splitlines()
    columns = ["preset", "application", "task", "data", "test", "score", "parameters", "size"]
    assert header.split() == columns
    assert small.split()[:6] == ["small", "SpikingMLP", "recognition", "toys", "50.00%", "91"]


def test_list_presets_scored_by_an_error(capsys):
    keras_bsd.applications.list_presets()
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("mnist_autoencoder"))
    assert f"MSE {presets.record('mnist_autoencoder')['test_mse']:.4f}" in row


def test_unknown_record(folder):
    with pytest.raises(ValueError, match=r"Unknown preset: choose one of 'small', 'wide', .*Received: 'smal'"):
        presets.record("smal")


def test_a_file_that_is_not_a_record(folder):
    (folder / "metrics.json").write_text('{"application": "SpikingMLP"}')
    with pytest.raises(
        ValueError, match=r"metrics.json is not the record of a preset. Received: no arguments, sha"
    ):
        presets.record(folder / "metrics.json")


def test_labels_of_a_preset(folder):
    decoded = keras_bsd.applications.decode_predictions([[0.1, 0.7, 0.2]], "small", top=2)
    assert decoded == [[("doll", 0.7), ("kite", 0.2)]]
    assert keras_bsd.applications.decode_predictions([[0.1, 0.7, 0.2]], folder / "small.json", top=2) == decoded


@pytest.mark.parametrize("harm", ["truncated", "flipped", "removed"])
def test_damaged_weights(folder, harm):
    path = folder / "small.weights.h5"
    content = bytearray(path.read_bytes())
    if harm == "truncated":
        path.write_bytes(content[:-100])
    elif harm == "flipped":
        content[-50] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    with pytest.raises(
        ValueError, match=r"must have SHA-256 .*Received: .*small.weights.h5. Reinstall keras-bsd"
    ):
        SpikingMLP(weights="small")


FAST = ("etth1_hourly", "mnist_conv", "tiny_shakespeare")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in presets.names()],
)
def test_published_presets(name):
    """They load, their hashes are right and their records are complete."""
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
    """Needs the data, prepared by TFDS in `TFDS_DATA_DIR`."""
    known = presets.record(name)
    if not tfds.builder(known["data"]).is_prepared():
        pytest.skip(f"{known['data']} is not prepared")
    model = getattr(keras_bsd.applications, known["application"])(weights=name)
    model.compile(metrics=["accuracy"])
    _, test = keras_bsd.datasets.load_images(known["data"])
    accuracy = model.evaluate(*test, batch_size=500, verbose=0, return_dict=True)["accuracy"]
    assert accuracy == pytest.approx(known["test_accuracy"], abs=5e-4)


def test_presets_are_small_together():
    assert sum(path.stat().st_size for path in presets.FOLDER.iterdir()) <= 30e6
