import numpy as np
import pytest

import keras_bsd
from tests.models import pairs


def test_arguments():
    model = pairs.dense_pair(**keras_bsd.paper_configuration())
    assert (model.rule, model.codebook, model.negatives) == ("surrogate", False, "all")
    loss = model.layer_loss
    assert (loss.margin, loss.negative_weight, loss.centring) == (1.0, 0.6, None)
    assert model.encoder_stages[0].neuron.cell.threshold == 0.6


def test_layer_loss_by_hand():
    loss = keras_bsd.paper_configuration()["layer_loss"]
    rates = np.array([[1.0, 0.0], [0.6, 0.8]])
    # cosines 1 and 0.6: no attraction is left, and lambda times the square of the other sample's
    np.testing.assert_allclose(float(loss(rates, rates)), 0.6 * 0.36, rtol=1e-6)


@pytest.mark.parametrize("make", [pytest.param(pairs.conv_pair, marks=pytest.mark.slow), pairs.dense_pair])
def test_trains(make):
    model = make(**keras_bsd.paper_configuration())
    model.compile(metrics=["accuracy"], run_eagerly=make is pairs.dense_pair)
    history = model.fit(*pairs.samples(model), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
