"""Arguments and weights from presets, for all builders."""

import inspect
import json
import shutil

import keras
import numpy as np
import pytest

import keras_bsd
from keras_bsd.applications import (
    SpikingAutoencoder,
    SpikingCharRNN,
    SpikingConvNet,
    SpikingForecaster,
    SpikingMLP,
    SpikingResNet,
    load_preset,
)
from keras_bsd.layers import CausalStandardization


def stimuli(count=5):
    return np.random.default_rng(0).random((count, 4), dtype="float32")


def scores(model, x):
    return keras.ops.convert_to_numpy(model(x))


def defaults(builder, *names):
    parameters = inspect.signature(builder).parameters
    return {name: parameters[name].default for name in ("name", *names)}


def test_classifiers_are_built_by_the_defaults_of_their_signatures():
    model = SpikingMLP((6,), 2)
    units = tuple(stage.units for stage in model.encoder_stages)
    built = {"name": model.name, "timesteps": model.encoder_stages[0].timesteps, "units": units}
    assert built == defaults(SpikingMLP, "timesteps", "units")

    model = SpikingConvNet((8, 8, 1), 2)
    stages = model.encoder_stages
    assert {
        "name": model.name,
        "timesteps": stages[0].timesteps,
        "filters": tuple(stage.filters for stage in stages),
        "pool_sizes": tuple(stage.pool_size for stage in stages),
    } == defaults(SpikingConvNet, "timesteps", "filters", "pool_sizes")

    model = SpikingResNet((8, 8, 1), 2)
    stem, *stages = model.encoder_stages
    groups = [int(stage.name.split("_")[1]) for stage in stages]
    assert {
        "name": model.name,
        "timesteps": stem.timesteps,
        "filters": tuple(stages[groups.index(group)].filters for group in sorted({*groups})),
        "blocks": tuple(groups.count(group) // 2 for group in sorted({*groups})),
    } == defaults(SpikingResNet, "timesteps", "filters", "blocks")


def test_other_networks_are_built_by_the_defaults_of_their_signatures():
    model = SpikingAutoencoder((8, 8, 1))
    features = {stage.name: stage.output_features for stage in model.encoder_stages}
    downward = [shape for name, shape in features.items() if name.startswith("down")]
    assert {
        "name": model.name,
        "timesteps": model.encoder_stages[0].timesteps,
        "latent_units": features["latent"][0],
        "filters": tuple(channels for _, _, channels in downward),
        "units": (),
        "concepts": model.concepts,
        "components": model.components,
    } == defaults(SpikingAutoencoder, "timesteps", "latent_units", "filters", "units", "concepts", "components")

    for builder, model in (
        (SpikingForecaster, SpikingForecaster(8, 1, 1)),
        (SpikingCharRNN, SpikingCharRNN("ab")),
    ):
        stages = model.encoder_stages
        assert {
            "name": model.name,
            "timesteps": stages[0].timesteps,
            "units": tuple(stage.units for stage in stages),
            "delays": stages[0].delays,
        } == defaults(builder, "timesteps", "units", "delays")
    assert defaults(SpikingForecaster, "normalization")["normalization"] == "instance"
    assert standardizes(SpikingForecaster(8, 1, 1, units=(4,)))


def standardizes(model):
    return any(isinstance(layer, CausalStandardization) for layer in model.encoder.layers)


def test_forecasts_without_normalization():
    for normalization in (None, "none"):
        assert not standardizes(SpikingForecaster(8, 1, 1, units=(4,), normalization=normalization))


def test_a_preset_provides_all_arguments(folder):
    model = SpikingMLP(weights="small")
    assert model.encoder_stages[0].output_features == (8,)
    again = SpikingMLP((4,), 3, units=[8], weights="small")
    np.testing.assert_array_equal(scores(again, stimuli()), scores(model, stimuli()))


def test_arguments_by_position(folder):
    model = SpikingMLP((4,), 3, 2, (8,), True, None, "small", None, "mine")
    assert model.name == "mine"
    np.testing.assert_array_equal(scores(model, stimuli()), scores(SpikingMLP(weights="small"), stimuli()))
    with pytest.raises(TypeError, match="too many positional"):
        SpikingMLP((4,), 3, 2, (8,), True, None, "small", None, "mine", "rate")


def test_further_arguments_reach_the_model(folder):
    for weights in (None, "small"):
        model = SpikingMLP((4,), 3, 2, (8,), weights=weights, rule="surrogate", stimulus_range=None)
        assert model.rule == "surrogate"
        assert model.stimulus_range is None


@pytest.mark.parametrize("suffix", [".json", ".weights.h5"])
def test_weights_by_path(folder, suffix, tmp_path_factory):
    """A preset's files in another folder than the library's."""
    copy = tmp_path_factory.mktemp("copy")
    for file in folder.glob("small.*"):
        shutil.copy(file, copy / f"mine{file.name.removeprefix('small')}")
    path = copy / f"mine{suffix}"
    expected = scores(SpikingMLP(weights="small"), stimuli())
    arguments = {} if suffix == ".json" else {"input_shape": (4,), "classes": 3, "timesteps": 2, "units": (8,)}
    for weights in (path, str(path)):
        np.testing.assert_array_equal(scores(SpikingMLP(weights=weights, **arguments), stimuli()), expected)
    with pytest.raises(ValueError, match=r"Preset '.*mine.json' is SpikingMLP\(.*fit your arguments: 'wide'"):
        SpikingMLP(weights=copy / "mine.json", units=(16,))


def test_a_preset_without_top(folder):
    features = SpikingMLP(weights="small", include_top=False, classes=77)
    spikes = SpikingMLP(weights="small").spikes(stimuli())["dense_1"]
    np.testing.assert_array_equal(scores(features, stimuli()), spikes)


def test_a_preset_on_an_input_tensor(folder):
    stimulus = keras.Input((4,))
    model = SpikingMLP(weights="small", input_tensor=1 - stimulus)
    expected = scores(SpikingMLP(weights="small"), 1 - stimuli())
    np.testing.assert_allclose(scores(model, stimuli()), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: SpikingMLP((4,), 5, weights="small"),
            "classes=3.*that fit your arguments: none; train one, or omit the arguments",
        ),
        (lambda: SpikingMLP((5,), weights="small"), r"Received: SpikingMLP\(input_shape=\(5,\)\)"),
        # The default of four time steps, which the preset does not have.
        (lambda: SpikingMLP(timesteps=4, weights="small"), r"Received: SpikingMLP\(timesteps=4\)"),
        (lambda: SpikingMLP(units=(16,), weights="small"), "that fit your arguments: 'wide'"),
        (lambda: SpikingMLP(neuron={"beta": 0.9}, weights="small"), "neuron={'beta': 0.9}"),
        (lambda: SpikingConvNet(weights="small"), r"Preset 'small' is SpikingMLP\(input_shape=\(4,\)"),
        (lambda: SpikingMLP((4,), 3, weights="smal"), "a preset \\('small', 'wide'\\) or the path"),
        (lambda: SpikingMLP((4,), 3, weights="mine.json"), "or the path of a file that exists. Received"),
        (lambda: SpikingMLP(weights="smal"), "or the path of a file that exists. Received: weights='smal'"),
    ],
)
def test_arguments_that_contradict_the_preset(folder, make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_none_contradicts_the_normalization_of_a_preset():
    with pytest.raises(ValueError, match=r"normalization='instance'.*Received: .*\(normalization=None\)"):
        SpikingForecaster(weights="etth1_hourly", normalization=None)


def test_a_truncated_file_of_weights(tmp_path):
    model = SpikingMLP((4,), 3, units=(8,))
    for name, save in (("a.weights.h5", model.save_weights), ("a.keras", model.save)):
        save(tmp_path / name)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:2000])
        with pytest.raises(ValueError, match=r"must be a complete file of weights.* Copy it again"):
            SpikingMLP((4,), 3, units=(8,), weights=tmp_path / name)


def test_load_preset(folder):
    expected = scores(SpikingMLP(weights="small"), stimuli())
    for name in ("small", folder / "small.json", str(folder / "small.json")):
        np.testing.assert_array_equal(scores(load_preset(name), stimuli()), expected)
    with pytest.raises(ValueError, match=r"a preset \('small', 'wide'\) or the path of a file.* name='smal'"):
        load_preset("smal")


def test_stimulus_ranges_must_be_that_of_the_file(folder, tmp_path):
    model = SpikingMLP(weights="small", stimulus_range=(0, 2))
    model.save(tmp_path / "a.keras")
    for options in ({}, {"stimulus_range": [0.0, 2]}):
        assert SpikingMLP(weights=tmp_path / "a.keras", **options).stimulus_range == (0, 2)
    for other in ((0, 1), None):
        with pytest.raises(ValueError, match=r"a.keras holds .*, stimulus_range=\(0.0, 2.0\)\). Omit the"):
            SpikingMLP(weights=tmp_path / "a.keras", stimulus_range=other)
    pixels = keras.layers.Rescaling(1 / 255)(keras.Input((4,)))
    scaled = SpikingMLP(weights=tmp_path / "a.keras", input_tensor=pixels, stimulus_range=(0, 255))
    assert scaled.stimulus_range == (0, 255)
    own = keras_bsd.BSDModel(model.encoder, model.decoder, stimulus_range=(-1, 1))  # made by no builder
    own.save(tmp_path / "own.keras")
    arguments = {"input_shape": (4,), "classes": 3, "timesteps": 2, "units": (8,)}
    assert SpikingMLP(**arguments, weights=tmp_path / "own.keras").stimulus_range == (-1, 1)
    with pytest.raises(ValueError, match=r"own.keras holds SpikingMLP\(stimulus_range=\(-1.0, 1.0\)\)"):
        SpikingMLP(**arguments, weights=tmp_path / "own.keras", stimulus_range=(0, 1))


def test_sizes_of_a_preset_as_an_array(folder):
    assert SpikingMLP(units=np.array([8]), weights="small").encoder_stages[0].units == 8
    with pytest.raises(ValueError, match=r"Received: SpikingMLP\(units=\(8, 8\)\)"):
        SpikingMLP(units=np.array([8, 8]), weights="small")


def test_load_preset_from_a_keras_file(folder, tmp_path):
    model = SpikingMLP(weights="small")
    model.compile(keras.optimizers.SGD(0.125))
    model.save(tmp_path / "model.keras")
    loaded = load_preset(tmp_path / "model.keras")
    np.testing.assert_array_equal(scores(loaded, stimuli()), scores(model, stimuli()))
    assert not loaded.compiled
    assert float(load_preset(tmp_path / "model.keras", compile=True).optimizer.learning_rate) == 0.125


def test_the_record_of_an_unknown_application(folder):
    record = json.loads((folder / "small.json").read_text())
    (folder / "small.json").write_text(json.dumps({**record, "application": "SpikingGPT"}))
    with pytest.raises(
        ValueError, match=r"Unknown `application`.*'SpikingMLP'.*Received: application='SpikingGPT'"
    ):
        load_preset("small")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: SpikingMLP(classes=3),
            r"`input_shape` is required unless `weights` is a preset or a `.keras` file. Received: inp",
        ),
        (lambda: SpikingMLP((4,)), "`classes` is required .* Pass it, or a preset: 'cifar10_autoencoder', "),
        (lambda: SpikingConvNet(), "`input_shape` is required"),
        (lambda: SpikingResNet(classes=3), "`input_shape` is required"),
        (lambda: SpikingAutoencoder(), "`input_shape` is required"),
        (lambda: SpikingForecaster(12, 3), "`variables` is required"),
        (lambda: SpikingCharRNN(), "`alphabet` is required"),
    ],
)
def test_required_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_file_of_weights_requires_the_classes(tmp_path):
    SpikingMLP((4,), 3, units=(8,)).save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match="`classes` is required"):
        SpikingMLP((4,), units=(8,), include_top=False, weights=tmp_path / "a.weights.h5")
    SpikingMLP((4,), 3, units=(8,), include_top=False, weights=tmp_path / "a.weights.h5")
