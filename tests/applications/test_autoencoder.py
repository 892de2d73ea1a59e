import numpy as np
import pytest

from keras_bsd.applications import SpikingAutoencoder


@pytest.mark.parametrize("sizes", [{"filters": (3, 4)}, {"filters": (3,)}, {"units": (7, 6)}])
def test_networks_mirror_each_other(sizes):
    model = SpikingAutoencoder((8, 4, 2), latent_units=5, timesteps=3, **sizes)
    depth = len(next(iter(sizes.values())))
    names = [f"down_{i + 1}" for i in range(depth)] + ["latent"] + [f"up_{i + 1}" for i in range(depth)]
    assert [stage.name for stage in model.encoder_stages] == names
    assert [stage.name for stage in model.decoder_stages] == names[::-1]
    shapes = [stage.output_features for stage in model.encoder_stages]
    assert shapes == shapes[::-1]
    assert shapes[depth] == (5,)
    assert model.encoder.output_shape == model.decoder.output_shape == (None, 8, 4, 2)
    if "filters" in sizes:
        halved = [(8 // 2**i, 4 // 2**i, count) for i, count in enumerate(sizes["filters"], 1)]
        assert shapes[:depth] == halved
    variables = [{id(v) for v in network.variables} for network in (model.encoder, model.decoder)]
    assert not set.intersection(*variables)


def test_defaults_and_neuron():
    model = SpikingAutoencoder((28, 28, 1), neuron={"threshold": 0.4})
    assert [stage.output_features for stage in model.encoder_stages][:3] == [(14, 14, 32), (7, 7, 64), (64,)]
    assert model.latent_encoder.output_shape == (None, 8, 64)
    assert model.concepts == 10
    assert all(float(stage.neuron.cell.threshold) == pytest.approx(0.4) for stage in model.encoder_stages)


def test_weights_of_a_file(tmp_path):
    arguments = {"input_shape": (4, 4, 1), "latent_units": 3, "timesteps": 2, "units": (5,), "concepts": 2}
    model = SpikingAutoencoder(**arguments)
    x = np.random.default_rng(0).random((6, 4, 4, 1)).astype("float32")
    model.fit_prior(x, np.arange(6) % 2)  # the prior is among the weights
    model.save_weights(tmp_path / "model.weights.h5")
    copy = SpikingAutoencoder(**arguments, weights=tmp_path / "model.weights.h5")
    assert len(copy.weights) == len(model.weights) > len(model.encoder.weights) + len(model.decoder.weights)
    for weight, expected in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": (3,), "units": (4,)}, "Give `filters` or `units`, not both"),
        (
            {"input_shape": (6, 4, 1), "filters": (3, 4)},
            r"height and width are multiples of 4, .*Received: input_shape=\(6, 4, 1\)",
        ),
        ({"input_shape": (16,)}, "or give `units`"),
        ({"filters": ()}, "at least one `filters` halves them"),
        ({"latent_units": 0}, "Received: units=0"),
        ({"timesteps": 0}, "Received: timesteps=0"),
        ({"concepts": 0}, "Received: concepts=0"),
        ({"weights": "mnist_dense"}, r"Preset 'mnist_dense' is SpikingMLP\("),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SpikingAutoencoder(**{"input_shape": (4, 4, 1), **arguments})
