"""Small pairs and data for several tests."""

import keras
import numpy as np

import keras_bsd
from keras_bsd.layers import Readout, SpikingConv2D, SpikingDense, SpikingStage


def dense_encoder(timesteps=3):
    return keras.Sequential(
        [
            keras.Input((4,)),
            SpikingDense(9, timesteps=timesteps, name="first"),
            SpikingDense(8, name="second"),
            SpikingDense(7, name="third"),
            Readout(keras.layers.Dense(3), "softmax"),
        ]
    )


def small_pair(activity_regularizer=None, **kwargs):
    """Return a pair with one stage each, the fastest to compile."""
    synapse = keras.layers.Dense(6, activity_regularizer=activity_regularizer)
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            SpikingStage(synapse, timesteps=3, normalization="batch", name="first"),
            Readout(keras.layers.Dense(3), "softmax"),
        ]
    )
    decoder = keras.Sequential(
        [keras.Input((3,)), SpikingDense(6, timesteps=3), Readout(keras.layers.Dense(4))]
    )
    return keras_bsd.BSDModel(encoder, decoder, **kwargs)


def dense_pair(**kwargs):
    encoder = dense_encoder()
    return keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder), **kwargs)


def conv_pair(**kwargs):
    encoder = keras.Sequential(
        [
            keras.Input((7, 5, 2)),
            SpikingConv2D(4, pool_size=2, timesteps=3),
            SpikingConv2D(3),
            SpikingDense(6),
            Readout(keras.layers.Dense(3), "softmax"),
        ]
    )
    return keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder), **kwargs)


def residual_pair(**kwargs):
    return keras_bsd.applications.SpikingResNet((7, 5, 2), 3, 3, filters=(4, 3), blocks=(1, 1), **kwargs)


def own_layers_pair(**kwargs):
    """Return a functional encoder with a skip connection and a decoder written by hand."""
    stimulus = keras.Input((4,))
    first = SpikingStage(keras.layers.Dense(6), timesteps=3, name="own_1")(stimulus)
    second = SpikingStage([keras.layers.Dense(6), keras.layers.LayerNormalization()], name="own_2")(first)
    both = keras.layers.Concatenate()([first, second])
    encoder = keras.Model(stimulus, Readout(keras.layers.Dense(3), "softmax")(both))
    decoder = keras.Sequential(
        [
            keras.Input((3,)),
            keras_bsd.encoding.PoissonEncoder(3, seed=1),
            SpikingStage(keras.layers.Dense(6), name="back_2"),
            SpikingStage(keras.layers.Dense(6), name="back_1"),
            Readout(keras.layers.Dense(4)),
        ]
    )
    return keras_bsd.BSDModel(encoder, decoder, **kwargs)


def regression_pair(**kwargs):
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            SpikingDense(32, timesteps=4),
            SpikingDense(32),
            Readout(keras.layers.Dense(2)),
        ]
    )
    return keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder), task="regression", **kwargs)


def autoencoder(**kwargs):
    """Return a convolutional autoencoder, or with `units` a dense one."""
    sizes = {} if "units" in kwargs else {"filters": (3, 4)}
    return keras_bsd.applications.SpikingAutoencoder(
        (8, 4, 2), latent_units=5, timesteps=4, concepts=3, **sizes, **kwargs
    )


def forecast_pair(**kwargs):
    return keras_bsd.applications.SpikingForecaster(6, 2, 3, units=(9, 8), delays=2, timesteps=3, **kwargs)


def character_pair(**kwargs):
    return keras_bsd.applications.SpikingCharRNN("abc", units=(9, 8), delays=2, timesteps=3, **kwargs)


def accuracy(metric=keras.metrics.SparseCategoricalAccuracy):
    """Return a metric with variables: those of a name are made in a trace, and TensorFlow traces again."""
    return metric(name="accuracy")


def samples(model, count=12, seed=0):
    """Return random stimuli of the model's shape, and classes or values."""
    generator = np.random.default_rng(seed)
    if isinstance(model, keras_bsd.BSDSequenceModel):
        text = generator.integers(0, 3, (count, 6)).astype("int32")
        return text[:, :-1], text[:, 1:]
    x = generator.random((count, *model.encoder.input_shape[1:])).astype("float32")
    if model.task == "regression":
        return x, generator.random((count, *model.encoder.output_shape[1:])).astype("float32")
    return x, np.arange(count).astype("int32") % 3


def clusters(count=300, seed=0):
    """Return four-dimensional points of three classes that are not linearly separable."""
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 3, count).astype("int32")
    radius = 0.5 + y + 0.15 * generator.normal(size=count)
    x = generator.normal(size=(count, 4))
    return (x / np.linalg.norm(x, axis=1, keepdims=True) * radius[:, None]).astype("float32"), y
