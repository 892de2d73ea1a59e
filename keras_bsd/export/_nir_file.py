"""Networks for neuromorphic hardware, in the Neuromorphic Intermediate Representation (NIR)."""

import collections
import itertools
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks
from keras_bsd._observe import observe
from keras_bsd._types import Model, Path
from keras_bsd.encoding import DirectEncoder
from keras_bsd.encoding._base import TimeEncoder
from keras_bsd.export._network import exported_network
from keras_bsd.export._nir_neurons import neuron_node
from keras_bsd.export._nir_packages import ReaderName, find_reader
from keras_bsd.export._nir_synapse import IDENTITIES, channels_first, refusal, require_nir, synapse_nodes
from keras_bsd.export._paths import atomic_export
from keras_bsd.layers import Readout, SpikingRecurrent, SpikingStage

# What a subclass of a stage may define without changing what the stage computes.
_HARMLESS = {"build", "compute_output_shape", "get_config", "from_config", "backward_synapse", "_config_keys"}


def to_nir(model: Model, filepath: Path, dt: float | None = None, reader: ReaderName | None = None) -> Any:
    """Write a network of consecutive stages as a NIR graph, and return the graph.

    NIR describes neurons by differential equations. Integrated by Euler's method with steps of `dt`, the
    graph's neurons spike as those of the network. A held stimulus is the graph's input at every step. The
    graph's output, averaged over the steps, is that of the readout before its activation. Maps are
    channels-first, as NIR requires. The state of stateful neurons is not written: the graph starts at rest.

    Leaky neurons have `r = 1`, since several packages ignore any other: membranes and thresholds are those of
    the network times `dt / tau`, and weights are its own. Not every package runs every file right; with
    `reader` the file is written for one, and what it would run otherwise than Keras is refused by name.

    The network is a chain of `SpikingStage`s (`SpikingDense` and `SpikingConv2D` among them) and at its end a
    `Readout` or none; a `DirectEncoder` may come first. Neurons have a hard reset and no refractory steps. A
    synapse may consist of

    - `Dense`, `Conv1D`, `Conv2D`, `DepthwiseConv1D` and `DepthwiseConv2D` without activation, in any
      number, with any strides, dilations and groups; groups are written as blocks of one kernel, and a `Dense`
      along the last axis of a map is a convolution with a kernel of size one;
    - `Rescaling` and `BatchNormalization`, which are merged into the weights before or behind them;
    - `Flatten`, and `AveragePooling2D` without padding;
    - `Dropout` and other layers that do nothing at inference.

    Any other layer or option is refused by name, as are quantised layers, `data_format="channels_first"` and
    subclasses that compute something of their own.

    Args:
        model: a `BSDModel`, whose encoder is written, or a Sequential or functional Keras model of consecutive
            stages.
        filepath: path ending in `.nir`.
        dt: positive float, duration of a time step in seconds. Default: 1e-4, or the default of the
            reader.
        reader: the package that is to run the file, `"snntorch"`, `"spikingjelly"` or `"norse"`; others are
            refused with the reason. For snnTorch and Norse, whose `Flatten` would flatten the batch, a first
            stage that flattens takes flat inputs, channels first, and a later one is written as convolutions:
            outputs then have two more axes, of size one.

    Returns:
        The `nir.NIRGraph`, read from the file. Its metadata are `dt`, the readout's `activation` and, unless
        the network takes series of any length, the number of `timesteps`.

    Raises:
        ValueError: an argument is out of range, a layer cannot be expressed in NIR, or the reader cannot run
            it. An earlier file is not changed.
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
    nir, target = require_nir(), find_reader(reader)
    network, dt = exported_network(model), _time_step(dt, target)
    stages, steps = _chain(network)
    nodes = _nodes(stages, dt, target)
    _check_calls(network, stages)
    metadata = {"dt": dt, "activation": _activation(stages[-1])}
    metadata |= {} if steps is None else {"timesteps": steps}
    graph = nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), metadata)
    with atomic_export(filepath, ".nir") as written:
        nir.write(written, graph)
        return nir.read(written)


def _time_step(dt, reader):
    dt = reader.dt if dt is None else _checks.real("dt", dt, low=0.0, low_open=True)
    if reader.fixed_dt and dt != reader.dt:
        raise ValueError(
            f"`dt` must be {reader.dt}, which {reader.title} takes for every file. Received: dt={dt}. "
            "Leave it out."
        )
    return dt


def _nodes(stages, dt, reader):
    nir, shape, nodes = require_nir(), stages[0].input_features, {}
    for stage in stages:
        synapse, input_shape, shape = synapse_nodes(stage, shape, reader, first=stage is stages[0])
        if not nodes:
            nodes["input"] = nir.Input(input_type=np.array(channels_first(input_shape)))
        nodes |= synapse
        if isinstance(stage, SpikingStage):
            nodes[f"{stage.name}_neurons"] = neuron_node(stage, shape, dt, reader)
    nodes["output"] = nir.Output(output_type=np.array(channels_first(shape)))
    return nodes


def _chain(network):
    """Return the stages of a network in order, and the number of time steps or None.

    Raises:
        ValueError: the network is not a chain of stages that NIR can express.
    """
    operations = getattr(network, "operations", ())  # of a functional model
    others = [operation for operation in operations if not isinstance(operation, keras.layers.Layer)]
    if others:
        raise ValueError(
            "`model` must consist of layers to be written to NIR. Received: the operations "
            f"{', '.join(repr(operation.name) for operation in others)}. Put them into a stage, as layers."
        )
    layers = [layer for layer in network.layers if not isinstance(layer, keras.layers.InputLayer)]
    layers = [layer for layer in layers if type(layer) not in IDENTITIES]
    encoder = layers.pop(0) if layers and type(layers[0]) is DirectEncoder else None
    for i, layer in enumerate(layers):
        _check_stage(layer, first=i == 0 and encoder is None, last=i == len(layers) - 1)
    if not layers:
        raise ValueError(f"`model` must have stages. Received: '{network.name}', which has none")
    if None in layers[0].input_features:
        raise refusal(
            layers[0],
            f"its inputs have the shape {layers[0].input_features}, and NIR requires known sizes",
            "Build the network with a keras.Input of known sizes; only the number of time steps may be None.",
        )
    return layers, (encoder or layers[0]).timesteps if encoder or _holds(layers[0]) else network.input_shape[1]


def _holds(stage):
    return getattr(stage, "timesteps", None) is not None


def _check_stage(layer, first, last):
    if isinstance(layer, SpikingRecurrent):
        why = "its feedback goes from element to element, and that of NIR from time step to time step"
        raise refusal(layer, why)
    base = next((base for base in (SpikingStage, Readout) if isinstance(layer, base)), None)
    if base is None:
        encoder = isinstance(layer, TimeEncoder)
        remedy = "Export the network without it, and encode the graph's inputs by it." if encoder else ""
        raise refusal(
            layer, "it is not a stage", remedy or "Files hold consecutive stages alone: leave it out."
        )
    own = [kind for kind in type(layer).__mro__ if issubclass(kind, base) and kind is not base]
    changed = sorted({name for kind in own for name in vars(kind) if hasattr(base, name)} - _HARMLESS)
    changed = [name for name in changed if not name.startswith("__")]
    if changed:
        raise refusal(layer, f"its class defines {', '.join(changed)} otherwise than {base.__name__}")
    if base is Readout and not last:
        raise refusal(
            layer, "it averages over time, and layers follow it", "Export the two parts on their own."
        )
    if _holds(layer) and not first:
        raise refusal(
            layer,
            f"it holds its input for timesteps={layer.timesteps}, and is not the first layer",
            "Leave `timesteps` to the first stage, or export the two parts on their own.",
        )


def _check_calls(network, stages):
    """Raise unless every stage is called once, so that the stages are a chain."""
    calls = collections.Counter()

    def record(stage, _, outputs):
        calls[stage] += 1
        return outputs

    shape = [1 if n is None else n for n in network.input_shape]
    with observe(stages, record), keras.StatelessScope():
        network(ops.zeros(shape, network.inputs[0].dtype), training=False)
    for stage in stages:
        if calls[stage] != 1:
            raise refusal(stage, f"it is called {calls[stage]} times", "Use a stage of its own each time.")


def _activation(readout):
    if not isinstance(readout, Readout):
        return "linear"
    name = keras.activations.serialize(readout.activation)
    if not isinstance(name, str):
        raise refusal(
            readout, f"its activation {name!r} has no name", "Use an activation of Keras by its name."
        )
    return name
