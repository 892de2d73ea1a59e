import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd.audit._twins import compare, twin_stages
from keras_bsd.layers import Readout, SpikingStage
from tests.models import pairs


def conv_pair(up, down):
    """One stage of maps; `up` is its synapse and `down` that of the decoder's readout."""
    encoder = keras.Sequential(
        [
            keras.Input((5, 4, 2)),
            SpikingStage(up, timesteps=2, name="up"),
            Readout([keras.layers.Flatten(), keras.layers.Dense(3)], name="scores"),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((3,)),
            SpikingStage([keras.layers.Dense(60), keras.layers.Reshape((5, 4, 3))], timesteps=2, name="back"),
            Readout(down, name="down"),
        ]
    )
    return keras_bsd.BSDModel(encoder, decoder)


def kernels(model):
    (up,), (down,) = model.encoder_stages, model.decoder.layers[-1:]
    return up.synapse.layers[0], down.synapse.layers[0]


def test_stages_between_the_same_populations_are_twins():
    model = pairs.dense_pair()
    names = [(up.name, down.name) for up, down in twin_stages(model)]
    scores = model.encoder.layers[-1].name
    assert names == [
        ("first", "stimulus"),
        ("second", "first_mirror"),
        ("third", "second_mirror"),
        (scores, "third_mirror"),
    ]


def test_cosine_by_hand():
    model = pairs.dense_pair()
    up, down = model.encoder_stages[1].synapse.layers[1], model.decoder_stages[0].synapse.layers[0]
    forward, backward = np.zeros((9, 8)), np.zeros((8, 9))
    forward[0, 0], forward[1, 0], backward[0, 1], backward[1, 0] = 3, 4, 2, 7
    up.kernel.assign(forward)
    down.kernel.assign(backward)
    _, twins, *_ = compare(model)
    assert twins.cosines == (pytest.approx(8 / np.sqrt(25 * 53)),)
    assert twins.chance == (pytest.approx(72**-0.5),)
    up.kernel.assign(np.zeros((9, 8)))
    assert compare(model)[1].cosine == 0


@pytest.mark.parametrize("kinds", ["Conv2D Conv2DTranspose", "Conv2D Conv2D", "Conv2DTranspose Conv2D"])
def test_a_convolutions_twin_is_its_adjoint(kinds):
    """Kernels with cosine one must satisfy <up(a), b> = <a, down(b)>."""
    first, second = (getattr(keras.layers, kind) for kind in kinds.split())
    options = {"padding": "same", "use_bias": False}
    model = conv_pair(first(3, 3, **options), second(2, 3, **options))
    up, down = kernels(model)
    kernel = ops.convert_to_numpy(up.kernel)
    if first is second:
        kernel = kernel[::-1, ::-1].swapaxes(-1, -2)
    down.kernel.assign(kernel)
    twins = compare(model)[0]
    assert twins.cosines == (pytest.approx(1),)
    a, b = (keras.random.normal((1, 5, 4, channels)) for channels in (2, 3))
    there, back = (ops.convert_to_numpy(ops.sum(product)) for product in (up(a) * b, a * down(b)))
    np.testing.assert_allclose(there, back, rtol=1e-4)
    down.kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))
    assert abs(compare(model)[0].cosine) < 0.5


def test_several_kernels_have_their_twins_in_reverse_order():
    one, two = keras.layers.Dense(5), keras.layers.Dense(60)
    up = [keras.layers.Flatten(), one, two, keras.layers.Reshape((5, 4, 3))]
    back = [keras.layers.Flatten(), keras.layers.Dense(5), keras.layers.Dense(40)]
    model = conv_pair(up, [*back, keras.layers.Reshape((5, 4, 2))])
    back[1].kernel.assign(ops.transpose(two.kernel))
    back[2].kernel.assign(-ops.transpose(one.kernel))
    twins = compare(model)[0]
    assert twins.cosines == (pytest.approx(-1), pytest.approx(1))
    assert twins.cosine == pytest.approx(0)
    assert not twins.unpaired


def test_unpaired_weights_are_named():
    model = pairs.residual_pair()
    skip = model.encoder_stages[2].synapse.layers[0].name
    assert compare(model)[2].unpaired == f"{skip}: its skip connection has no backward counterpart"
    *_, own = compare(pairs.own_layers_pair())
    assert own.cosine is None
    assert own.unpaired == "kernel shapes differ: forward (12, 3), adjoints of backward (6, 3)"
    up = keras.layers.SeparableConv2D(3, 3, padding="same")
    model = conv_pair(up, keras.layers.Conv2D(2, 3, padding="same"))
    assert compare(model)[0].unpaired == (
        f"{up.name}: the adjoint of a SeparableConv2D is unknown; "
        "kernel shapes differ: forward none, adjoints of backward (3, 3, 2, 3)"
    )
