"""Files of pairs: what they hold is what the pair is."""

import json
import warnings
import zipfile

import h5py
import keras
import numpy as np
import pytest

import keras_bsd
from keras_bsd.applications import SpikingAutoencoder, SpikingCharRNN, SpikingConvNet, SpikingMLP, load_preset
from keras_bsd.layers import Readout, SpikingDense, SpikingLIF
from tests.models import pairs

SUFFIXES = (".keras", ".weights.h5")
BASE = {"input_shape": (4,), "classes": 3, "units": (6, 5), "timesteps": 2}


def save(model, path):
    """Save a pair, or its weights alone, by the path's suffix."""
    model.save(path) if path.suffix == ".keras" else model.save_weights(path)
    return path


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x))


def assert_same(first, second):
    for weight, expected in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.fixture(scope="module", params=SUFFIXES)
def path(request, tmp_path_factory):
    """A file of the network of `BASE`."""
    folder = tmp_path_factory.mktemp("saved")
    return save(SpikingMLP(**BASE), folder / f"base{request.param}")


def test_weights_of_the_same_network(path):
    first, second = SpikingMLP(**BASE), SpikingMLP(**BASE)
    first.load_weights(path)
    second.load_weights(str(path))
    assert_same(first, second)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"units": (6,)}, r"encoder/layers/spiking_dense_1/.* are in the file, without a place in the model"),
        ({"units": (6, 5, 5)}, r"encoder/layers/spiking_dense_2/.* are in the model, and not in the file"),
        (
            {"units": (6, 4)},
            r"encoder.1.units is 5 in the file and 4 .*other shapes: .* \(5,\) in the file, \(4,\) in",
        ),
        ({"classes": 4}, r"encoder/layers/readout/synapse/layers/dense/vars/0 \(5, 3\) in the file, \(5, 4\)"),
        (
            {"input_shape": (2, 2)},
            r"encoder.input.0.batch_shape is \[None, 4\] in the file and \[None, 2, 2\] in",
        ),
        ({"timesteps": 3}, "encoder.0.timesteps is 2 in the file and 3 in the model"),
        ({"neuron": {"beta": 0.9}}, "encoder.0.neuron.beta is 0.5 in the file and 0.9 in the model"),
        ({"neuron": {"threshold": 1.0}}, "encoder.1.neuron.threshold is 0.6 in the file and 1.0 in the model"),
        ({"neuron": {"reset": "soft"}}, "encoder.0.neuron.reset is 'hard' in the file and 'soft' in the model"),
        ({"neuron": {"refractory_steps": 1}}, "encoder.0.neuron.refractory_steps is 0 in the file and 1"),
        (
            {"neuron": {"surrogate": "sigmoid"}},
            "surrogate.class is 'keras_bsd>Atan' in the file and 'keras_bsd>S",
        ),
    ],
)
def test_weights_of_another_network(path, changes, message):
    model = SpikingMLP(**{**BASE, **changes})
    before = model.get_weights()
    with pytest.raises(ValueError, match=f"base.* must hold the weights of this network.*{message}"):
        model.load_weights(path)
    assert all(np.array_equal(*weights) for weights in zip(before, model.get_weights(), strict=True))


def test_partial_loading(path):
    model, original = SpikingMLP(**{**BASE, "classes": 4, "timesteps": 3}), SpikingMLP(**BASE)
    original.load_weights(path)
    with pytest.warns(UserWarning, match="could not be loaded"):
        model.load_weights(path, skip_mismatch=True)
    stages = zip(model.encoder_stages, original.encoder_stages, strict=True)
    for stage, expected in stages:
        assert_same(stage, expected)


def own_pair(*stages, **options):
    encoder = keras.Sequential([keras.Input((4,)), *stages, Readout(keras.layers.Dense(3), "softmax")])
    return keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder), **options)


def test_layers_without_weights_must_be_the_same(tmp_path):
    """Only a file's settings know of them."""
    file = save(own_pair(keras.layers.Rescaling(2.0), SpikingDense(5, timesteps=2)), tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match=r"encoder.input.1 \(Rescaling\) is in the file alone"):
        own_pair(SpikingDense(5, timesteps=2)).load_weights(file)
    with pytest.raises(ValueError, match=r"encoder.input.1.scale is 2.0 in the file and 3.0 in the model"):
        own_pair(keras.layers.Rescaling(3.0), SpikingDense(5, timesteps=2)).load_weights(file)


def test_normalizations_must_be_the_same(tmp_path):
    file = save(own_pair(SpikingDense(5, timesteps=2)), tmp_path / "a.keras")
    with pytest.raises(
        ValueError, match=r"encoder.0.normalization is 'batch' in the file and 'layer' in the model"
    ):
        own_pair(SpikingDense(5, timesteps=2, normalization="layer")).load_weights(file)


def test_alphabets_must_be_the_same(tmp_path):
    file = save(SpikingCharRNN("abc", units=(4,)), tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match="alphabet is 'abc' in the file and 'abd' in the model"):
        SpikingCharRNN("abd", units=(4,)).load_weights(file)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_local_readouts_may_be_in_one_of_both(tmp_path, suffix):
    with_readouts, without = pairs.small_pair(local_readout_weight=1.0), pairs.small_pair()
    without.load_weights(save(with_readouts, tmp_path / f"a{suffix}"))
    assert_same(without, with_readouts) if not with_readouts.stage_readouts else None
    np.testing.assert_array_equal(without.encoder.get_weights()[0], with_readouts.encoder.get_weights()[0])
    readout = with_readouts.stage_readouts[0].get_weights()
    with_readouts.load_weights(save(pairs.small_pair(), tmp_path / f"b{suffix}"))
    np.testing.assert_array_equal(with_readouts.stage_readouts[0].get_weights()[0], readout[0])


def test_files_of_weights_that_other_programs_write(tmp_path):
    """They have no settings: Keras's own function saves them."""
    model, copy = SpikingMLP(**BASE), SpikingMLP(**{**BASE, "timesteps": 3})
    keras.Model.save_weights(model, tmp_path / "a.weights.h5")
    copy.load_weights(tmp_path / "a.weights.h5")
    assert_same(copy, model)
    with pytest.raises(ValueError, match="without a place in the model"):
        SpikingMLP(**{**BASE, "units": (6,)}).load_weights(tmp_path / "a.weights.h5")


def test_several_files_of_weights(tmp_path):
    model, copy = SpikingMLP(**BASE), SpikingMLP(**BASE)
    model.save_weights(tmp_path / "a.weights.json", max_shard_size=1e-6)
    copy.load_weights(tmp_path / "a.weights.json")
    assert_same(copy, model)
    with pytest.raises(ValueError, match="and not in the file"):
        SpikingMLP(**{**BASE, "units": (6, 5, 4)}).load_weights(tmp_path / "a.weights.json")
    with pytest.raises(ValueError, match=r"encoder.0.neuron.beta is 0.5 in the file and 0.9 in the model"):
        SpikingMLP(**BASE, neuron={"beta": 0.9}).load_weights(tmp_path / "a.weights.json")
    with pytest.raises(ValueError, match=r"encoder.0.timesteps is 2 in the file and 3"):
        SpikingMLP(**{**BASE, "timesteps": 3}, weights=tmp_path / "a.weights.json")


def test_one_of_several_files_of_weights_is_damaged_or_missing(tmp_path):
    model = SpikingMLP(**BASE)
    model.save_weights(tmp_path / "a.weights.json", max_shard_size=1e-6)
    part = sorted(tmp_path.glob("a_*.weights.h5"))[-1]
    content = part.read_bytes()
    part.write_bytes(content[:200] + b"?" + content[201:])
    with pytest.raises(ValueError, match=r"its checksum is not that of its content. Copy it again"):
        model.load_weights(tmp_path / "a.weights.json")
    part.unlink()
    with pytest.raises(ValueError, match=f"a.weights.json must be a complete file of weights.*{part.name}"):
        model.load_weights(tmp_path / "a.weights.json")


def test_other_programs_read_sealed_files(tmp_path):
    SpikingMLP(**BASE).save_weights(tmp_path / "a.weights.h5")
    with h5py.File(tmp_path / "a.weights.h5") as file:
        assert file["encoder/layers/readout/synapse/layers/dense/vars/0"].shape == (5, 3)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.h5", b"", "must exist and end in one of .keras, .weights.h5, .weights.json. Received: '.*a.h5'"),
        ("a.weights.h5", b"", "a.weights.h5 must be a complete file of weights"),
        ("a.keras", b"PK", "a.keras must be a complete file of weights"),
        ("a.weights.json", b"{}", "a.weights.json must be a complete file of weights"),
        ("a.weights.json", b"[", "a.weights.json must be a complete file of weights"),
    ],
)
def test_files_of_other_kinds(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        pairs.small_pair().load_weights(tmp_path / name)
    with pytest.raises(ValueError, match="must exist and end in"):
        pairs.small_pair().load_weights(tmp_path / f"missing-{name}")


def test_an_encoder_is_no_pair(tmp_path):
    model = pairs.small_pair()
    model.encoder.save(tmp_path / "encoder.keras")
    with pytest.raises(ValueError, match="a pair has an encoder and a decoder, Sequential has not"):
        model.load_weights(tmp_path / "encoder.keras")


def test_an_error_while_saving_leaves_the_earlier_file(tmp_path, monkeypatch):
    model = pairs.small_pair()
    files = [save(model, tmp_path / f"a{suffix}") for suffix in SUFFIXES]
    before = [file.read_bytes() for file in files]

    def fail(*args, **kwargs):
        raise RuntimeError("no")

    monkeypatch.setattr(keras.layers.Dense, "save_own_variables", fail)
    for file in files:
        with pytest.raises(RuntimeError):
            save(model, file)
    assert [file.read_bytes() for file in files] == before


def test_paths_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    model = SpikingMLP(**BASE)
    model.save("~/a.keras")
    model.save_weights("~/a.weights.h5")
    for name in ("~/a.keras", "~/a.weights.h5"):
        copy = SpikingMLP(**BASE, weights=name)
        assert_same(copy, model)
        copy.load_weights(name)
    assert_same(load_preset("~/a.keras"), model)


@pytest.mark.parametrize("compiled", ["never", "compiled", "trained"])
def test_a_pair_loads_without_a_warning(tmp_path, compiled):
    model = pairs.small_pair()
    x, y = pairs.samples(model)
    if compiled != "never":
        model.compile(keras.optimizers.SGD(0.125, momentum=0.5), run_eagerly=True)
    if compiled == "trained":
        model.fit(x, y, verbose=0)
    model.save(tmp_path / "a.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy, in backends
        loaded = keras.saving.load_model(tmp_path / "a.keras")
    assert_same(loaded, model)
    if compiled == "never":
        return
    assert float(loaded.optimizer.learning_rate) == 0.125
    assert int(loaded.optimizer.iterations) == (1 if compiled == "trained" else 0)
    if compiled == "trained":
        for variable, expected in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
            np.testing.assert_array_equal(variable, expected)
    assert np.isfinite(loaded.fit(x, y, verbose=0).history["loss"]).all()


QUANTIZED = {
    "dense": pairs.small_pair,
    "mirrored": pairs.dense_pair,
    "conv": pairs.conv_pair,
    "residual": pairs.residual_pair,
    "own": pairs.own_layers_pair,
    "autoencoder": lambda: pairs.autoencoder(units=(6,)),
    "forecaster": pairs.forecast_pair,
    "characters": pairs.character_pair,
    "encoder": pairs.dense_encoder,
}
FAST = ("dense", "own")


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
@pytest.mark.filterwarnings("ignore:Layer .* is not quantised. convolutions can be quantised to")
@pytest.mark.parametrize(
    ("name", "mode"),
    [
        pytest.param(name, mode, marks=() if name in FAST and mode == "int8" else pytest.mark.slow)
        for name in QUANTIZED
        for mode in ("int8", "float8", "int4")
        if mode == "int8" or name in ("dense", "residual", "characters")
    ],
)
def test_a_quantized_model_saves_and_loads(tmp_path, name, mode):
    make = QUANTIZED[name]
    model, copy = make(), make()
    x = pairs.samples(model)[0] if name != "encoder" else np.random.default_rng(0).random((9, 4), "float32")
    for quantized in (model, copy):
        quantized.quantize(mode)
    model.save(tmp_path / "a.keras")
    model.save_weights(tmp_path / "a.weights.h5")
    copy.load_weights(tmp_path / "a.weights.h5")
    loaded = keras.saving.load_model(tmp_path / "a.keras")
    if name == "own":  # its decoder draws random spikes
        loaded, copy, model = loaded.encoder, copy.encoder, model.encoder
    expected = outputs(model, x)
    np.testing.assert_array_equal(outputs(loaded, x), expected)
    np.testing.assert_array_equal(outputs(copy, x), expected)
    if mode == "int8" and name in ("dense", "forecaster"):
        longer = [keras_bsd.with_timesteps(pair.encoder, 5) for pair in (model, loaded)]
        np.testing.assert_array_equal(*(outputs(network, x) for network in longer))


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_quantized_weights_in_a_network_that_is_not_quantized(tmp_path, suffix):
    single, quantized = save(SpikingMLP(**BASE), tmp_path / f"a{suffix}"), SpikingMLP(**BASE)
    quantized.encoder.quantize("int8")
    file = save(quantized, tmp_path / f"b{suffix}")
    message = (
        "encoder.quantization is 'int8' in the file and None in the model. Load weights in single precision"
    )
    with pytest.raises(ValueError, match=message):
        SpikingMLP(**BASE, weights=file)
    with pytest.raises(ValueError, match=r"encoder.quantization is None in the file and 'int8' in the model"):
        quantized.load_weights(single)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_a_trained_pair_is_quantized_and_loads_without_a_warning(tmp_path):
    model = pairs.small_pair()
    model.compile(run_eagerly=True)
    model.fit(*pairs.samples(model), verbose=0)
    model.quantize("int8")
    save(model, tmp_path / "a.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)
        loaded = keras.saving.load_model(tmp_path / "a.keras")
    assert_same(loaded, model)
    with pytest.raises(ValueError, match=r"decoder.quantization is 'int8' in the file and None in the model"):
        pairs.small_pair().load_weights(tmp_path / "a.keras")


def own_files(folder):
    lif = {"tau": 2.0, "threshold": 0.5, "surrogate": keras_bsd.surrogates.FastSigmoid(3.0)}
    options = {"timesteps": np.int64(3), "neuron": lif}
    yield SpikingMLP((4,), 3, units=np.array([6, 5]), stimulus_range=None, **options), SpikingMLP
    yield SpikingConvNet((6, 6, 1), 3, filters=[3], pool_sizes=[2], **options), SpikingConvNet
    yield keras_bsd.applications.SpikingResNet((6, 6, 1), 3, filters=(3,), blocks=(1,), **options), None
    yield SpikingAutoencoder((4, 4, 1), 3, units=(5,), concepts=2, **options), SpikingAutoencoder
    yield keras_bsd.applications.SpikingForecaster(6, 2, 1, units=(4,), normalization=None, **options), None
    yield SpikingCharRNN("abc", units=(4,), delays=2, **options), SpikingCharRNN


@pytest.mark.slow
def test_a_file_provides_the_arguments_of_every_builder(tmp_path):
    for model, builder in own_files(tmp_path):
        builder = builder or getattr(keras_bsd.applications, model._application.name)
        model.save(tmp_path / "own.keras")
        copy = builder(weights=tmp_path / "own.keras")
        assert copy.encoder_stages[0].timesteps == 3
        assert copy.encoder_stages[-1].neuron.cell.surrogate.slope == 3.0
        assert copy.stimulus_range == model.stimulus_range
        assert_same(copy, model)
        copy.save(tmp_path / "again.keras")  # a file of a copy knows them too
        assert_same(builder(weights=tmp_path / "again.keras"), model)
        keras.saving.load_model(tmp_path / "own.keras").save(tmp_path / "loaded.keras")
        assert_same(builder(weights=tmp_path / "loaded.keras"), model)


def test_a_file_provides_the_arguments(own):
    model = SpikingMLP(weights=own)
    assert model.encoder_stages[0].timesteps == 2
    assert model.encoder_stages[1].neuron.cell.leak == 0.9
    assert_same(model, load_preset(own))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "own.keras"
    return save(SpikingMLP(**BASE, neuron={"beta": 0.9}), path)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        BASE,
        {"units": [6, 5]},
        {"neuron": {"beta": 0.9}},
        {"neuron": SpikingLIF(beta=0.9)},
        {"neuron": None},
    ],
)
def test_arguments_that_equal_the_file_s(own, arguments):
    assert_same(SpikingMLP(weights=own, **arguments), load_preset(own))


@pytest.mark.parametrize(
    ("builder", "arguments", "received"),
    [
        (SpikingMLP, {"timesteps": 4}, r"SpikingMLP\(timesteps=4\)"),
        (SpikingMLP, {"units": (6,)}, r"SpikingMLP\(units=\(6,\)\)"),
        (SpikingMLP, {"classes": 4}, "classes=4"),
        (SpikingMLP, {"neuron": {"beta": 0.5}}, "neuron={'beta': 0.5}"),
        (SpikingMLP, {"neuron": {}}, "neuron={}"),
        (SpikingConvNet, {}, r"SpikingConvNet\(\)"),
    ],
)
def test_arguments_that_contradict_the_file(own, builder, arguments, received):
    with pytest.raises(
        ValueError, match=rf"own.keras holds SpikingMLP\(input_shape=\(4,\).* Received: .*{received}"
    ):
        builder(weights=own, **arguments)


def test_a_file_without_top_or_behind_other_layers(own):
    features = SpikingMLP(weights=own, include_top=False, classes=77)
    original, x = load_preset(own), np.random.default_rng(0).random((5, 4), "float32")
    np.testing.assert_array_equal(outputs(features, x), original.spikes(x)["dense_2"])
    behind = SpikingMLP(weights=own, input_tensor=1 - keras.Input((4,)))
    np.testing.assert_allclose(outputs(behind, x), outputs(original, 1 - x), rtol=1e-5)


def test_a_file_that_does_not_know_its_builder_is_compared(own, tmp_path):
    """As version 0.1.0 wrote it."""
    old = tmp_path / "old.keras"
    with zipfile.ZipFile(own) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                del config["config"]["application"]
                content = json.dumps(config).encode()
            target.writestr(name, content)
    assert_same(SpikingMLP(**BASE, neuron={"beta": 0.9}, weights=old), load_preset(own))
    with pytest.raises(ValueError, match=r"encoder.0.neuron.beta is 0.9 in the file and 0.5 in the model"):
        SpikingMLP(**BASE, weights=old)
    with pytest.raises(ValueError, match=r"encoder.0.timesteps is 2 in the file and 4 in the model"):
        SpikingMLP((4,), 3, units=(6, 5), neuron={"beta": 0.9}, weights=old)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 16}, "`units` must be a sequence of positive ints, one for each stage.* Received: units=16"),
        ({"units": "16"}, "Received: units='16'"),
        ({"units": (16.5,)}, r"Received: units=\(16.5,\)"),
        ({"input_shape": 4}, "the shape of one sample, such as .* Received: input_shape=4"),
        ({"neuron": "lif"}, "`neuron` must be a dict of arguments of SpikingLIF .* Received: neuron='lif'"),
        ({"neuron": SpikingLIF}, "Received: neuron=<class"),
        ({"neuron": {"betta": 0.5}}, "Received: neuron={'betta': 0.5}"),
        ({"weights": 3}, "the path of a file that exists. Received: weights='3'"),
        ({"input_tensor": np.zeros((2, 4))}, "`input_tensor` must be a Keras tensor"),
        ({"input_tensor": keras.KerasTensor((None, 5))}, "`input_shape` must be that of `input_tensor`"),
    ],
)
def test_arguments_of_other_kinds(arguments, message):
    with pytest.raises(ValueError, match=message):
        SpikingMLP(**{**BASE, **arguments})
    with pytest.raises(ValueError, match="Received: filters=8"):
        SpikingConvNet((8, 8, 1), 3, filters=8, pool_sizes=2)
    with pytest.raises(ValueError, match="Received: filters=8"):
        SpikingAutoencoder((8, 8, 1), filters=8)
