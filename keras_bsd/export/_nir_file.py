"""Networks for neuromorphic hardware, in the Neuromorphic Intermediate Representation (NIR)."""

import itertools
from typing import Any

import keras
import numpy as np

from keras_bsd import _checks
from keras_bsd._optional import require
from keras_bsd._types import Model, Path
from keras_bsd.export._network import as_float, exported_network
from keras_bsd.export._paths import atomic_export
from keras_bsd.export._streaming import takes_series, timesteps
from keras_bsd.layers import SpikingLIF, SpikingStage, Stage


def to_nir(model: Model, filepath: Path, dt: float = 1e-4) -> Any:
    """Write a network of consecutive stages as a NIR graph, and return the graph.

    NIR describes neurons by differential equations. Integrated by Euler's method with steps of `dt`, the
    graph's neurons spike as those of the network. A held stimulus is the graph's input at every step. The
    graph's output, averaged over the steps, is that of the readout before its activation. Maps are
    channels-first, as NIR requires, and normalisation is part of the weights.

    Args:
        model: a `BSDModel`, whose encoder is written, or a Sequential or functional Keras model of consecutive
            stages.
        filepath: path ending in `.nir`.
        dt: positive float, duration of a time step in seconds.

    Returns:
        The `nir.NIRGraph`, read from the file. Its metadata are the number of time steps, `dt` and the
        readout's activation.

    Raises:
        ValueError: an argument is out of range, or a layer cannot be expressed in NIR: soft resets or none,
            refractory neurons, max-pooling, skip connections and others.
        ImportError: the package `nir`, of the extra `nir`, is not installed.

    Example:

    >>> stage = keras_bsd.layers.SpikingDense(4, timesteps=2, name="hidden")
    >>> readout = keras_bsd.layers.Readout(keras.layers.Dense(2), name="scores")
    >>> graph = keras_bsd.export.to_nir(keras.Sequential([keras.Input((3,)), stage, readout]), "network.nir")
    >>> sorted(graph.nodes)
    ['hidden_neurons', 'hidden_synapse', 'input', 'output', 'scores_synapse']

    Source: Pedersen et al., "Neuromorphic intermediate representation: A unified instruction set for
    interoperable brain-inspired computing", Nature Communications 2024.
    """
    nir = _require_nir()
    network, dt = exported_network(model), _checks.real("dt", dt, low=0.0, low_open=True)
    stages = [layer for layer in network.layers if not isinstance(layer, keras.layers.InputLayer)]
    features = tuple(network.input_shape[2 if takes_series(network) else 1 :])
    nodes = {"input": nir.Input(input_type=np.array(_channels_first(features)))}
    activation = "linear"
    for stage in stages:
        if not isinstance(stage, Stage):
            raise _refusal(stage, "it is not a stage")
        nodes |= _synapse(stage)
        if isinstance(stage, SpikingStage):
            nodes[f"{stage.name}_neurons"] = _neurons(stage, dt)
        else:
            activation = keras.activations.serialize(stage.activation)
    *_, last = nodes.values()
    nodes["output"] = nir.Output(output_type=last.output_type["output"])
    metadata = {"timesteps": timesteps(network), "dt": dt, "activation": activation}
    graph = nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), metadata)
    with atomic_export(filepath, ".nir") as written:
        nir.write(written, graph)
        return nir.read(written)


def _require_nir():
    return require("nir", "Export to NIR", "nir")


def _refusal(layer, why):
    return ValueError(f"Layer '{layer.name}' cannot be written to NIR: {why}. Received: {type(layer).__name__}")


def _channels_first(shape):
    return (shape[-1], *shape[:-1])


def _neurons(stage, dt):
    nir, cell = _require_nir(), stage.neuron.cell
    if cell.reset != "hard":
        raise _refusal(stage, f"NIR resets neurons to a fixed value, and its neurons have reset={cell.reset!r}")
    if cell.refractory_steps:
        raise _refusal(
            stage, f"NIR has no refractory neurons, and it has refractory_steps={cell.refractory_steps}"
        )
    if type(stage.neuron) is not SpikingLIF:
        raise _refusal(stage, "its neurons are of a subclass of SpikingLIF")
    shape, leak = _channels_first(stage.output_features), as_float(cell.leak)

    def everywhere(value):
        return np.full(shape, value, "float32")

    # Neurons spike at the threshold here, and above it in NIR.
    threshold = everywhere(np.nextafter(np.float32(as_float(cell.threshold)), np.float32(0)))
    if leak == 1:
        return nir.IF(r=everywhere(1 / dt), v_threshold=threshold, v_reset=everywhere(0))
    return nir.LIF(
        tau=everywhere(dt / (1 - leak)),
        r=everywhere(1 / (1 - leak)),
        v_leak=everywhere(0),
        v_threshold=threshold,
        v_reset=everywhere(0),
    )


def _synapse(stage):
    """Return the nodes of a stage's synapse: one product, and a flattening before it where there is one."""
    nir, name, shape = _require_nir(), f"{stage.name}_synapse", stage.input_features
    gain, product, nodes = 1.0, None, {}
    for layer in stage.synapse.layers:
        if isinstance(layer, (keras.layers.Flatten, keras.layers.Dropout)) and product is None:
            continue
        elif isinstance(layer, keras.layers.Rescaling) and product is None and layer.offset == 0:
            gain *= layer.scale
        elif type(layer) in _PRODUCTS and product is None and _is_linear(layer):
            product = _PRODUCTS[type(layer)](layer, shape, gain)
        elif isinstance(layer, keras.layers.BatchNormalization) and product is not None:
            _normalize(product, layer)
        else:
            kind = type(layer).__name__
            raise _refusal(stage, f"its {kind} '{layer.name}' has no counterpart in NIR at this place")
    if product is None:
        raise _refusal(stage, "it has no weights")
    if "stride" in product:
        return {name: nir.Conv2d(**product)}
    if len(shape) > 1:
        first = {"input": np.array(_channels_first(shape))}
        nodes[f"{stage.name}_flatten"] = nir.Flatten(input_type=first, start_dim=0)
    return {**nodes, name: nir.Affine(**product)}


def _is_linear(layer):
    return layer.activation is keras.activations.linear


def _dense(layer, shape, gain):
    """Return weights `(units, inputs)` for channels-first inputs."""
    kernel = gain * _array(layer.kernel)
    kernel = np.moveaxis(kernel.reshape(*shape, -1), len(shape) - 1, 0).reshape(kernel.shape)
    return {"weight": kernel.T, "bias": _bias(layer, kernel.shape[-1])}


def _conv(layer, shape, gain):
    """Return weights `(filters, channels, height, width)`."""
    if layer.padding == "same" and max(layer.strides) > 1:
        raise _refusal(layer, "with strides, frameworks define the padding 'same' differently")
    return {
        "input_shape": tuple(shape[:-1]),
        "weight": np.transpose(gain * _array(layer.kernel), (3, 2, 0, 1)),
        "stride": tuple(layer.strides),
        "padding": layer.padding,
        "dilation": tuple(layer.dilation_rate),
        "groups": layer.groups,
        "bias": _bias(layer, layer.filters),
    }


_PRODUCTS = {keras.layers.Dense: _dense, keras.layers.Conv2D: _conv}


def _array(weight):
    return keras.ops.convert_to_numpy(weight)


def _bias(layer, units):
    return np.zeros(units, "float32") if layer.bias is None else _array(layer.bias)


def _normalize(product, layer):
    """Merge a normalisation, as it is at inference, into the product before it."""
    scale = 1 / np.sqrt(_array(layer.moving_variance) + layer.epsilon)
    scale = scale * _array(layer.gamma) if layer.scale else scale
    shift = _array(layer.beta) if layer.center else 0
    weight = product["weight"]
    product["weight"] = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    product["bias"] = (product["bias"] - _array(layer.moving_mean)) * scale + shift
