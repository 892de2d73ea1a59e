"""Small networks that the tests export, with spikes in every stage."""

import keras
import numpy as np
import pytest

import keras_bsd
from keras_bsd.encoding import DeltaEncoder, LatencyEncoder
from keras_bsd.layers import Readout, SpikingConv2D, SpikingDense, SpikingLIF, SpikingLIFCell, SpikingStage
from keras_bsd.layers._time_loop import LONGEST_UNROLLED
from tests.models import pairs


def _with_neuron(**arguments):
    return keras.Sequential(
        [
            keras.Input((4,)),
            SpikingDense(9, timesteps=6, neuron=SpikingLIF(**arguments), name="first"),
            SpikingDense(8, neuron=SpikingLIF(**arguments), normalization="layer", name="second"),
            Readout(keras.layers.Dense(3), "softmax", name="readout"),
        ]
    )


def _with_series(*layers, features=4):
    return keras.Sequential(
        [keras.Input((5, features)), *layers, SpikingDense(7), Readout(keras.layers.Dense(2))]
    )


def _nested():
    inner = keras.Sequential([keras.Input((3, 9)), SpikingDense(8, name="inner")])
    return keras.Sequential(
        [keras.Input((4,)), SpikingDense(9, timesteps=3), inner, Readout(keras.layers.Dense(2))]
    )


NETWORKS = {
    "dense": lambda: pairs.dense_pair().encoder,
    "dense, decoder": lambda: pairs.dense_pair().decoder,
    "conv": lambda: pairs.conv_pair().encoder,
    "conv, decoder": lambda: pairs.conv_pair().decoder,
    "residual": lambda: pairs.residual_pair().encoder,
    "residual, decoder": lambda: pairs.residual_pair().decoder,
    "functional": lambda: pairs.own_layers_pair().encoder,
    "regression": lambda: pairs.regression_pair().encoder,
    "autoencoder": lambda: pairs.autoencoder().encoder,
    "autoencoder, lower half": lambda: pairs.autoencoder().latent_encoder,
    "autoencoder, upper half": lambda: pairs.autoencoder().latent_decoder,
    "forecast": lambda: pairs.forecast_pair().encoder,
    "characters": lambda: pairs.character_pair().encoder,
    "no delays": lambda: keras_bsd.applications.SpikingCharRNN("abc", units=(9,), delays=1).encoder,
    "series of any length": lambda: keras.Sequential(
        [keras.Input((None, 4)), SpikingDense(7), Readout(keras.layers.Dense(2))]
    ),
    "nested": _nested,
    "soft reset": lambda: _with_neuron(reset="soft", tau=3.0),
    "no reset, learned": lambda: _with_neuron(reset="none", trainable_leak=True, trainable_threshold=True),
    "refractory": lambda: _with_neuron(refractory_steps=2),
    "many steps": lambda: keras.Sequential(
        [keras.Input((4,)), SpikingDense(3, timesteps=LONGEST_UNROLLED + 1), Readout(keras.layers.Dense(2))]
    ),
    "series": lambda: _with_series(SpikingDense(6)),
    "changes of a series": lambda: _with_series(DeltaEncoder(0.2, off_spikes=True)),
    "layers": lambda: _with_series(keras.layers.Dense(6), SpikingLIF(return_state=False)),
    "recurrent layer": lambda: _with_series(keras.layers.RNN(SpikingLIFCell(4), return_sequences=True)),
    "latency": lambda: keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Rescaling(0.5),  # stimuli lie in [0, 2]
            LatencyEncoder(4),
            SpikingDense(8),
            Readout(keras.layers.Dense(2)),
        ]
    ),
    "tokens": lambda: keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            keras.layers.Embedding(11, 6),
            SpikingStage(keras.layers.Dense(8)),
            Readout(keras.layers.Dense(11)),
        ]
    ),
    "maps": lambda: keras.Sequential(
        [keras.Input((3, 6, 6, 2)), SpikingConv2D(4, pool_size=2), Readout([keras.layers.Flatten()])]
    ),
}


def mark_slow(names, fast):
    """Return the names as parameters of a test, all but the `fast` ones marked slow."""
    return [name if name in fast else pytest.param(name, marks=pytest.mark.slow) for name in names]


def lively(model, seed=0):
    """Change the weights so that about every neuron spikes for some stimuli, and return the model."""
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        if "seed" in weight.path:
            continue
        values = weight.numpy() if hasattr(weight, "numpy") else np.asarray(weight)
        if "moving_variance" in weight.path or values.ndim == 0:
            continue
        weight.assign(values + generator.normal(scale=0.5, size=values.shape).astype(values.dtype))
    return model


LENGTH = 5  # of the sequences for networks that take any length


def length(model):
    """Return the argument `length` of `export_onnx` for a model."""
    return LENGTH if None in model.input_shape[1:] else None


def stimuli(model, count, seed=0):
    """Return random stimuli of the model's shape and type."""
    generator = np.random.default_rng(seed)
    shape = (count, *(LENGTH if n is None else n for n in model.input_shape[1:]))
    if model.inputs[0].dtype == "int32":
        return generator.integers(0, 3, shape).astype("int32")
    return (2 * generator.random(shape)).astype("float32")
