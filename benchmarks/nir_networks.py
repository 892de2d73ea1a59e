"""Random networks whose spikes in Keras are compared with those in packages that read their NIR files."""

import keras
import numpy as np
from keras import layers

from keras_bsd.export import _network
from keras_bsd.layers import (
    SpikingConv2D,
    SpikingCuBaLIFCell,
    SpikingDense,
    SpikingLIFCell,
    SpikingNeurons,
    SpikingRecurrent,
    SpikingStage,
)

TIME, BATCH = 8, 4


def neurons(cell=SpikingLIFCell, **options):
    return SpikingNeurons(cell(**options))


def dense(generator, **neuron):
    sizes = generator.integers(4, 12, generator.integers(2, 4))
    normalizations = generator.choice(np.array(["batch", None]), len(sizes))
    stages = [
        SpikingDense(int(units), normalization, neurons(**neuron))
        for units, normalization in zip(sizes, normalizations, strict=True)
    ]
    return [keras.Input((TIME, int(generator.integers(3, 8)))), *stages]


def images(generator, **neuron):
    return [keras.Input((TIME, 3, 4, 2)), *dense(generator, **neuron)[1:]]


def convolutional(generator, pool=False, **neuron):
    height, width = (int(n) for n in generator.integers(6, 9, 2))
    size, strides = int(generator.integers(2, 4)), int(generator.integers(1, 3))
    second = layers.Conv2D(3, size, strides, padding=str(generator.choice(["same", "valid"])))
    pooling = [layers.AveragePooling2D(2)] if pool else []
    return [
        keras.Input((TIME, height, width, 2)),
        SpikingConv2D(int(generator.integers(2, 5)), 3, neuron=neurons(**neuron)),
        SpikingStage([second, *pooling], neurons(**neuron)),
        SpikingDense(8, neuron=neurons(**neuron)),
        SpikingDense(5, neuron=neurons(**neuron)),
    ]


def pooled(generator, **neuron):
    return convolutional(generator, pool=True, **neuron)


def series(generator, **neuron):
    """Convolutions along one axis."""
    convolutions = [layers.Conv1D(4, 3, padding="same"), layers.Conv1D(3, 2)]
    stages = [SpikingStage(convolution, neurons(**neuron)) for convolution in convolutions]
    return [keras.Input((TIME, 7, 2)), *stages, SpikingDense(5, neuron=neurons(**neuron))]


def recurrent(generator, **neuron):
    return [keras.Input((TIME, 4)), SpikingRecurrent(5, timesteps=3, neuron=neurons(**neuron))]


NETWORKS = {
    "dense": (dense, {}),
    "dense, long memory": (dense, {"beta": 0.9, "threshold": 1.5}),
    "dense, no memory": (dense, {"beta": 0.0}),
    "dense, no leak": (dense, {"beta": 1.0}),
    "dense, soft reset": (dense, {"reset": "soft"}),
    "dense, no reset": (dense, {"reset": "none"}),
    "dense, synaptic current": (dense, {"cell": SpikingCuBaLIFCell, "synaptic_beta": 0.6, "threshold": 1.0}),
    "dense, of maps": (images, {}),
    "Conv2D, Flatten, Dense": (convolutional, {}),
    "Conv2D, no leak": (convolutional, {"beta": 1.0, "threshold": 1.0}),
    "AveragePooling2D": (pooled, {}),
    "Conv1D": (series, {}),
    "recurrent": (recurrent, {}),
}


def make(name, seed):
    """Return a network with random weights, and stimuli `(batch, time, ...)`.

    No membrane comes so close to its threshold that rounding could change a spike.
    """
    build, neuron = NETWORKS[name]
    for attempt in range(100):
        generator = np.random.default_rng([seed, attempt])
        network = keras.Sequential(build(generator, **neuron))
        for weight in network.weights:
            if "moving_variance" in weight.path:
                weight.assign(generator.uniform(0.3, 2, weight.shape))
            elif len(weight.shape):
                weight.assign(generator.normal(0.1, 0.5, weight.shape))
        x = generator.uniform(0, 2, (BATCH, *network.input_shape[1:])).astype("float32")
        spikes, margins = _network.run_with_margins(network, x)
        rates = [keras.ops.convert_to_numpy(values).mean() for values in spikes.values()]
        close = min(keras.ops.convert_to_numpy(values).min() for values in margins.values())
        if close > 2e-6 and min(rates) > 0.01 and max(rates) < 0.99:
            return network, x
    raise RuntimeError(f"No network of the kind {name!r} with the seed {seed} spikes now and then")


def by_step(values):
    """Return values `(batch, time, ...)` as a NIR file has them: `(time, batch, channels, ...)`."""
    values = keras.ops.convert_to_numpy(values)
    return np.ascontiguousarray(np.moveaxis(np.moveaxis(values, -1, 2), 1, 0))


def from_step(values):
    """Return what `by_step` makes `values` of."""
    return np.moveaxis(np.moveaxis(values, 0, 1), 2, -1)


def graph_inputs(graph, x):
    """Return the inputs of a graph by time step for stimuli, which some files take flat."""
    inputs = by_step(x)
    shape = [int(n) for n in graph.nodes["input"].input_type["input"]]
    return inputs.reshape(*inputs.shape[:2], *shape)
