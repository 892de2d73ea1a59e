"""Networks for neuromorphic hardware, in the Neuromorphic Intermediate Representation (NIR)."""

import itertools

import keras
import numpy as np

from keras_bsd import _checks
from keras_bsd._optional import require
from keras_bsd.export import _network
from keras_bsd.export import _streaming as streaming
from keras_bsd.export._paths import atomic_export
from keras_bsd.layers._lif import SpikingLIF
from keras_bsd.layers._stage import SpikingStage, Stage


def to_nir(model, filepath, dt=1e-4):
    """Write a network's stages, one after the other, as a NIR graph.

    NIR describes neurons by differential equations; integrated by Euler's method with steps of `dt`, the
    graph's neurons spike as the network's do. A held stimulus is its input at every step. Its output, at
    every step and averaged over the steps, is what the readout gives before its activation. Maps have
    their channels first, as NIR wants it, and normalisation is part of the weights.

    Args:
        model: a `BSDModel`, of which the encoder is written, or a Keras model of stages in a row.
        filepath: path ending in `.nir`.
        dt: positive float, seconds that a time step takes.

    Returns:
        The `nir.NIRGraph` that was written, as NIR reads it from the file. Its metadata hold the number
        of time steps, `dt` and the readout's activation.

    Raises:
        ValueError: an argument is out of range, or NIR cannot say what a layer does: soft resets or none,
            refractoriness, max-pooling, skip connections and others.

    Example:

    >>> graph = keras_bsd.export.to_nir(model, "digits.nir")

    Source: Pedersen et al., "Neuromorphic intermediate representation: A unified instruction set for
    interoperable brain-inspired computing", Nature Communications 2024.
    """
    nir = require("nir", "Export to NIR", "nir")

    network, dt = _network.exported_network(model), _checks.real("dt", dt, low=0.0, low_open=True)
    stages = [layer for layer in network.layers if not isinstance(layer, keras.layers.InputLayer)]
    features = tuple(network.input_shape[2 if streaming.takes_series(network) else 1 :])
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
    metadata = {"timesteps": streaming.timesteps(network), "dt": dt, "activation": activation}
    graph = nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), metadata)
    with atomic_export(filepath, ".nir") as written:
        nir.write(written, graph)
        return nir.read(written)


def _refusal(layer, why):
    return ValueError(f"Layer '{layer.name}' cannot be written to NIR: {why}. Received: {type(layer).__name__}")


def _channels_first(shape):
    return (shape[-1], *shape[:-1])


def _neurons(stage, dt):
    nir = require("nir", "Export to NIR", "nir")

    cell = stage.neuron.cell
    if cell.reset != "hard":
        raise _refusal(stage, f"NIR's neurons are reset to a value, and these have reset={cell.reset!r}")
    if cell.refractory_steps:
        raise _refusal(stage, f"NIR has no refractoriness. It has refractory_steps={cell.refractory_steps}")
    if type(stage.neuron) is not SpikingLIF:
        raise _refusal(stage, "its neurons are of a class of their own")
    shape, leak = _channels_first(stage.output_features), float(cell.leak)

    def everywhere(value):
        return np.full(shape, value, "float32")

    # Spikes come at the threshold here, and above it in NIR.
    threshold = everywhere(np.nextafter(np.float32(cell.threshold), np.float32(0)))
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
    """A stage's synapse as one product, with a flattening before it where there is one."""
    nir = require("nir", "Export to NIR", "nir")

    name, shape, gain, product = f"{stage.name}_synapse", stage.input_features, 1.0, None
    nodes = {}
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
            raise _refusal(stage, f"NIR cannot say what its {type(layer).__name__} '{layer.name}' does there")
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
    """Weights `(units, inputs)` for inputs whose channels come first."""
    kernel = gain * _array(layer.kernel)
    kernel = np.moveaxis(kernel.reshape(*shape, -1), len(shape) - 1, 0).reshape(kernel.shape)
    return {"weight": kernel.T, "bias": _bias(layer, kernel.shape[-1])}


def _conv(layer, shape, gain):
    """Weights `(filters, channels, height, width)`."""
    if layer.padding == "same" and max(layer.strides) > 1:
        raise _refusal(layer, "with strides, frameworks understand the padding 'same' differently")
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
    """Take a normalisation, as it is at inference, into the product before it."""
    scale = 1 / np.sqrt(_array(layer.moving_variance) + layer.epsilon)
    scale = scale * _array(layer.gamma) if layer.scale else scale
    shift = _array(layer.beta) if layer.center else 0
    weight = product["weight"]
    product["weight"] = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    product["bias"] = (product["bias"] - _array(layer.moving_mean)) * scale + shift
