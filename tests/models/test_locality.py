"""Each loss reaches the weights of its own pair of stages and no others."""

import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd import _rules
from keras_bsd.layers import Readout
from keras_bsd.layers._stage import flatten_stages
from keras_bsd.surrogates import Surrogate
from tests.gradients import weight_gradients, weight_gradients_of_each
from tests.models import pairs

PAIRS = {
    "dense": pairs.dense_pair,
    "conv": pairs.conv_pair,
    "residual": pairs.residual_pair,
    "own layers": pairs.own_layers_pair,
    "regression": pairs.regression_pair,
    "autoencoder": pairs.autoencoder,
    "dense autoencoder, bands": lambda **kwargs: pairs.autoencoder(
        units=(6,), layer_loss=keras_bsd.losses.FrequencyReCo(), **kwargs
    ),
    "forecast": pairs.forecast_pair,
    "characters": pairs.character_pair,
    "local readouts": lambda **kwargs: pairs.conv_pair(local_readout_weight=1.0, **kwargs),
    "hidden local readouts": lambda **kwargs: pairs.conv_pair(
        local_readout_weight=1.0, local_readout_depth=2, **kwargs
    ),
    "autoencoder, local readouts": lambda **kwargs: pairs.autoencoder(local_readout_weight=1.0, **kwargs),
    "characters, local readouts": lambda **kwargs: pairs.character_pair(local_readout_weight=1.0, **kwargs),
    "no codebook": lambda **kwargs: pairs.dense_pair(codebook=False, **kwargs),
}


def leaks(model):
    """Return paths of weights with a gradient from another stage's loss, and of weights without gradient."""
    model.compile()
    samples = pairs.samples(model)
    owners = [flatten_stages(network, Readout) for network in (model.encoder, model.decoder)]
    for i, (stage, teacher) in enumerate(zip(model.encoder_stages, model.decoder_stages, strict=True)):
        owners.append([stage, teacher, *model.stage_readouts[i : i + 1]])

    def losses():
        step = model.distil(*samples)
        return [step.task_loss, step.recall_loss, *step.stage_losses]

    _, gradients_of_losses = weight_gradients_of_each(losses, model.trainable_variables)
    foreign, reached = [], set()
    for stages, gradients in zip(owners, gradients_of_losses, strict=True):
        own = {weight.path for stage in stages for weight in stage.trainable_variables}
        for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
            if gradient is None or not np.any(gradient):
                continue
            reached.add(weight.path)
            if weight.path not in own:
                foreign.append(weight.path)
    return foreign, {weight.path for weight in model.trainable_variables} - reached


@pytest.mark.parametrize("rule", _rules.RULES)
@pytest.mark.parametrize("pair", PAIRS)
def test_gradients_stay_within_a_pair_of_stages(pair, rule):
    foreign, unreached = leaks(PAIRS[pair](rule=rule))
    assert not foreign
    # Batch normalisation subtracts the bias before it, which has no gradient at all.
    assert all(path.endswith("bias") for path in unreached)


@pytest.mark.parametrize("rule", _rules.RULES)
def test_gradients_leak_without_the_cut(monkeypatch, rule):
    model = pairs.dense_pair(rule=rule)
    monkeypatch.setattr(ops, "stop_gradient", lambda tensor: tensor)
    monkeypatch.setattr(Surrogate, "spikes", Surrogate.__call__)
    foreign, _ = leaks(model)
    assert any("first" in path for path in foreign)


def test_an_encoder_outside_a_pair_learns_by_backpropagation():
    model = pairs.dense_pair()
    x, y = pairs.samples(model)
    model.encoder.compile(loss="sparse_categorical_crossentropy")
    gradients = weight_gradients(
        lambda: model.encoder.compute_loss(x, y, model.encoder(x, training=True)),
        model.encoder.trainable_variables,
    )
    assert all(np.any(gradient) for gradient in gradients)
