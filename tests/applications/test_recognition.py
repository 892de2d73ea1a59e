import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd.applications import SpikingConvNet, SpikingMLP, SpikingResNet
from keras_bsd.layers import Readout
from keras_bsd.layers._stage import flatten_stages
from tests.models import pairs

SMALL = {
    "mlp": lambda **kwargs: SpikingMLP((8, 8, 1), 10, units=(32, 24), **kwargs),
    "conv": lambda **kwargs: SpikingConvNet((8, 8, 1), 10, filters=(32, 48), pool_sizes=(2, 2), **kwargs),
    "resnet": lambda **kwargs: SpikingResNet((8, 8, 1), 10, filters=(24, 32), blocks=(1, 1), **kwargs),
}
# For tests that build a network several times: the residual one takes the longest.
NETWORKS = ["mlp", "conv", pytest.param("resnet", marks=pytest.mark.slow)]


@pytest.mark.slow
def test_sizes_by_default():
    model = SpikingMLP((28, 28, 1), 10)
    assert [stage.output_features for stage in model.encoder_stages] == [(512,)] * 5
    assert [stage.output_features for stage in model.decoder_stages] == [(512,)] * 5
    assert model.encoder.count_params() == 784 * 512 + 4 * 512 * 512 + 5 * 4 * 512 + 5130
    model = SpikingConvNet((32, 32, 3), 10)
    shapes = [(32, 32, 32), (16, 16, 64), (8, 8, 128), (4, 4, 128), (4, 4, 128)]
    assert [stage.output_features for stage in model.encoder_stages] == shapes
    assert [stage.output_features for stage in model.decoder_stages] == shapes
    model = SpikingResNet((32, 32, 3), 10)
    shapes = [(16, 16, 32)] * 5 + [(8, 8, 64)] * 4 + [(4, 4, 128)] * 4
    assert [stage.output_features for stage in model.encoder_stages] == shapes
    assert [stage.output_features for stage in model.decoder_stages] == shapes


def outputs(model, x):
    return ops.convert_to_numpy(model(x))


def test_only_spikes_pass_between_residual_stages():
    model = SMALL["resnet"]()
    passed = {}
    for layer in model.encoder.layers[1:]:
        if layer.name != "stimulus":
            passed[layer.name] = layer.input
    del passed["stem"]
    x = 20 * np.random.default_rng(0).random((5, 8, 8, 1), dtype="float32")  # all stages fire
    for name, values in keras.Model(model.encoder.inputs, passed)([x]).items():
        for value in values if isinstance(values, list) else [values]:
            assert set(np.unique(ops.convert_to_numpy(value))) == {0, 1}, name


@pytest.mark.parametrize("network", NETWORKS)
def test_stages_without_top_in_a_pair_for_another_task(network):
    features = SMALL[network](include_top=False)
    assert features.output.shape[1] == 4
    top = Readout([keras.layers.Flatten(), keras.layers.Dense(3)], "softmax")
    encoder = keras.Sequential([features, top])
    model = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder))
    assert len(flatten_stages(model.encoder)) == len(flatten_stages(features)) + 1
    model.compile(run_eagerly=True)
    x, y = np.random.default_rng(0).random((6, 8, 8, 1)), np.arange(6) % 3
    model.fit(x, y, verbose=0)
    assert model(x).shape == (6, 3)


def test_input_tensor():
    image = keras.Input((8, 8, 1), name="image")
    model = SpikingMLP(classes=10, units=(16,), input_tensor=1 - image)
    plain = SpikingMLP((8, 8, 1), 10, units=(16,))
    plain.set_weights(model.get_weights())
    x = np.random.default_rng(0).random((4, 8, 8, 1), dtype="float32")
    np.testing.assert_allclose(outputs(model, x), outputs(plain, 1 - x), rtol=1e-5)


def test_images_in_another_range():
    model = SMALL["mlp"]()
    model.compile()
    x, y = np.full((4, 8, 8, 1), 255, "uint8"), np.arange(4)
    for use in (model.predict, lambda x: model.evaluate(x, y), lambda x: model.fit(x, y)):
        with pytest.raises(ValueError, match=r"in \[0, 1\], as .*preprocess_input.* Received: .*255 to 255"):
            use(x)
    model.predict(keras_bsd.applications.preprocess_input(x), verbose=0)
    SMALL["mlp"](stimulus_range=None).predict(x, verbose=0)


@pytest.mark.parametrize("network", SMALL)
def test_arguments_reach_the_network(network):
    neuron = {"tau": 3.0, "reset": "soft"}
    model = SMALL[network](timesteps=6, neuron=neuron, rule="surrogate", name="mine")
    assert model.name == "mine"
    assert model.rule == "surrogate"
    assert {train.shape[1] for train in model.spikes(np.zeros((2, 8, 8, 1))).values()} == {6}
    for stage in [*model.encoder_stages, *model.decoder_stages]:
        assert stage.neuron.cell.reset == "soft"
        assert stage.neuron.cell.leak == pytest.approx(np.exp(-1 / 3))
    assert len({id(stage.neuron) for stage in model.encoder_stages}) == len(model.encoder_stages)


@pytest.mark.parametrize("network", NETWORKS)
def test_weights_from_a_file(network, tmp_path):
    model, generator = SMALL[network](), np.random.default_rng(0)
    for weight in model.encoder.weights:  # moving statistics too
        weight.assign(weight + 0.2 * (generator.random(weight.shape) - 0.5))
    x = generator.random((9, 8, 8, 1), dtype="float32")
    spikes = model.spikes(x)[model.encoder_stages[-1].name]
    assert 0 < spikes.mean() < 1
    model.save_weights(tmp_path / "small.weights.h5")
    model.save(tmp_path / "small.keras")
    for name in ("small.weights.h5", "small.keras"):
        copy = SMALL[network](weights=tmp_path / name)
        np.testing.assert_array_equal(outputs(copy, x), outputs(model, x))
        features = SMALL[network](weights=tmp_path / name, include_top=False)
        np.testing.assert_array_equal(outputs(features, x), spikes)


@pytest.mark.parametrize(
    "network", ["mlp", *(pytest.param(name, marks=pytest.mark.slow) for name in ("conv", "resnet"))]
)
def test_learns_digits(network, digits):
    (x, y), (x_test, y_test) = digits
    model = SMALL[network]()
    model.compile(keras.optimizers.AdamW(1e-2), metrics=[pairs.accuracy()])
    model.fit(x, y, batch_size=64, epochs=5, verbose=0)
    assert model.evaluate(x_test, y_test, verbose=0)[1] > 0.85
    means = np.stack([x[y == c].mean(axis=0) for c in range(10)])
    correlation = np.corrcoef(model.recall(np.arange(10)).reshape(10, -1), means.reshape(10, -1))
    assert (correlation[:10, 10:].argmax(axis=1) == np.arange(10)).mean() >= 0.8


@pytest.mark.slow
def test_digits_as_well_as_backpropagation(digits):
    """The library's promise, over two seeds; each rule at its own best learning rate."""
    (x, y), (x_test, y_test) = digits
    accuracy = {"bsd": [], "backpropagation": []}
    for seed in range(2):
        for name, learning_rate in (("bsd", 6e-3), ("backpropagation", 3e-3)):
            keras.utils.set_random_seed(seed)
            model = SpikingMLP((8, 8, 1), 10, units=(256, 256, 256))
            network = model if name == "bsd" else model.encoder
            schedule = keras.optimizers.schedules.CosineDecay(learning_rate, 25 * 23)
            network.compile(
                keras.optimizers.AdamW(schedule),
                "sparse_categorical_crossentropy",
                metrics=[pairs.accuracy()],
            )
            network.fit(x, y, batch_size=64, epochs=25, verbose=0)
            accuracy[name].append(network.evaluate(x_test, y_test, verbose=0)[1])
    assert np.mean(accuracy["bsd"]) >= 0.965
    assert np.mean(accuracy["bsd"]) >= np.mean(accuracy["backpropagation"]) - 0.01


def test_decoder_is_independent_of_the_encoder():
    model = SMALL["mlp"]()
    encoder = {id(variable) for variable in model.encoder.variables}
    assert not encoder & {id(variable) for variable in model.decoder.variables}
    forward = ops.convert_to_numpy(model.encoder_stages[1].synapse.weights[0])
    backward = ops.convert_to_numpy(model.decoder_stages[0].synapse.weights[0])
    assert abs(np.corrcoef(forward.ravel(), backward.T.ravel()[: forward.size])[0, 1]) < 0.2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpikingMLP((4,), 1), "`classes` must be an integer of at least 2. Received: classes=1"),
        (lambda: SpikingMLP((4,), 3, timesteps=0), "Received: timesteps=0"),
        (lambda: SpikingMLP((4,), 3, units=()), "at least one stage"),
        (lambda: SpikingMLP((4,), 3, units=(8, -1)), "Received: units=-1"),
        (lambda: SpikingMLP((4,), 3, neuron={"beta": 2.0}), "Received: beta=2.0"),
        (lambda: SpikingConvNet((8, 8), 3), r"\(height, width, channels\). Received: input_shape=\(8, 8\)"),
        (
            lambda: SpikingConvNet((8, 8, 1), 3, filters=(4, 4)),
            "`pool_sizes` must have one size for each of `filters`",
        ),
        (lambda: SpikingMLP((4,), 3, weights="missing.keras"), "the path of a file that exists. Received"),
        (
            lambda: SpikingConvNet((8, 8, 1), 3, filters=(), pool_sizes=()),
            "at least one stage. Received: filters=()",
        ),
        (lambda: SpikingResNet((8, 8, 1), 3, filters=(4,)), "`blocks` must have one number for each"),
        (
            lambda: SpikingResNet((8, 8, 1), 3, filters=(), blocks=()),
            r"at least one stage. Received: filters=\(\)",
        ),
        (lambda: SpikingMLP((4,), 3, stimulus_range=(1, 0)), r"`stimulus_range\[1\]` must be"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises((ValueError, OSError), match=message):
        make()
