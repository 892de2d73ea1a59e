"""Networks of stages from graphs in the Neuromorphic Intermediate Representation (NIR)."""

import re
from typing import Any, get_args

import keras
import numpy as np

from keras_bsd import _checks
from keras_bsd._files import expand
from keras_bsd._types import Path
from keras_bsd.export._nir_layers import LAYERS, Layers
from keras_bsd.export._nir_neurons import NEURONS, read_neurons
from keras_bsd.export._nir_packages import WriterName, find_writer
from keras_bsd.export._nir_synapse import require_nir, unreadable
from keras_bsd.layers import Readout, SpikingStage, Stage
from keras_bsd.layers._lif_cell import Reset


def from_nir(
    path: Path | Any,
    written_by: WriterName | None = None,
    reset: Reset | None = None,
    dt: float | None = None,
    timesteps: int | None = None,
) -> keras.Sequential:
    """Return the network of a NIR graph: stages of `SpikingLIF` neurons and, behind the last, a `Readout`.

    The graph is a chain of neurons, `LIF`, `IF` and `CubaLIF`, and of `Affine`, `Linear`, `Conv1d`, `Conv2d`,
    `AvgPool2d`, `SumPool2d`, `Flatten` and `Scale` between them. A last part without neurons becomes the
    readout: its outputs are those of the graph, averaged over time. Maps are channels-last, as in Keras. A file
    of `to_nir` has the same spikes again.

    What the files of a package do not say is an argument, which is then required. Graphs with branches or
    recurrence, and other nodes are errors that name the node. Where parameters differ within a node, so do
    those of the neurons (`granularity="neuron"`).

    Args:
        path: path of a file, or a `nir.NIRGraph`.
        written_by: the package that wrote the file, `"snntorch"`, `"spikingjelly"` or `"norse"`, where that
            matters: snnTorch and Norse write all resets alike, Norse multiplies time constants by `dt`, and
            SpikingJelly's neurons spike at the threshold rather than above it. Default: the file means what NIR
            defines, as those of `to_nir` do.
        reset: `"hard"`, `"soft"` or `"none"`; required for files of snnTorch, whose soft reset is none of
            `SpikingLIF` and cannot be read, and for those of Norse. Default: `"hard"`, the reset of NIR.
        dt: positive float, duration of a time step in seconds. Default: that in the metadata of files of
            `to_nir`, and 1e-4 for snnTorch, which has no other; all else requires it. Norse has it in its own
            neurons as well as in its export, both 1e-3 unless set.
        timesteps: positive int: the network takes a stimulus `(batch, ...)`, which is the graph's input at each
            of this many time steps. Default: its inputs are `(batch, time, ...)`.

    Returns:
        A `keras.Sequential`. Its weights are those of the file, its stages are named after the neurons' nodes.

    Raises:
        ValueError: an argument is missing or out of range, the file holds no NIR graph, or a node cannot be
            read.
        ImportError: the package `nir`, of the extra `nir`, is not installed.

    Example:

    >>> stage = keras_bsd.layers.SpikingDense(4, name="hidden")
    >>> readout = keras_bsd.layers.Readout(keras.layers.Dense(2), name="scores")
    >>> graph = keras_bsd.export.to_nir(keras.Sequential([keras.Input((5, 3)), stage, readout]), "network.nir")
    >>> network = keras_bsd.export.from_nir("network.nir")
    >>> [layer.name for layer in network.layers], network.input_shape
    (['hidden', 'scores'], (None, None, 3))

    Source: Pedersen et al., "Neuromorphic intermediate representation: A unified instruction set for
    interoperable brain-inspired computing", Nature Communications 2024.
    """
    writer, graph = find_writer(written_by), _graph(path)
    dt, reset = _time_step(dt, graph, writer), _reset(reset, writer)
    if timesteps is not None:
        timesteps = _checks.integer("timesteps", timesteps, low=1)
    (_, first), *inner, last = _chain(graph)
    layers, stages, neurons = Layers(_input_shape(first)), list[Stage](), []
    shape = layers.shape
    for name, node in inner:
        kind = type(node).__name__
        if kind in NEURONS:
            _check_neurons(layers, name, node)
            held = None if stages else timesteps
            synapse = layers.take() or [keras.layers.Identity()]
            neuron, own_values = read_neurons(name, node, dt, reset, writer)
            stages.append(SpikingStage(synapse, neuron, held, name=_stage_name(name)))
            neurons.append((neuron.cell, own_values))
        elif kind in LAYERS:
            layers.add(name, node)
        else:
            known = ", ".join([*NEURONS, *LAYERS])
            raise unreadable(name, node, f"a chain may consist of {known}")
    _check_output(layers, stages, *last)
    if layers.layers:
        stages.append(_readout(layers.take(), inner[-1][0], graph))
    network = keras.Sequential([keras.Input(shape if timesteps else (None, *shape)), *stages])
    for layer, weights in layers.weights:
        layer.set_weights(weights)
    for cell, own_values in neurons:
        for parameter, values in own_values.items():
            getattr(cell, parameter).assign(values)
    return network


def _graph(path):
    nir = require_nir()
    if isinstance(path, nir.NIRGraph):
        return path
    path = expand(path)
    if not path.is_file():
        raise ValueError(f"`path` must be the path of a NIR file. Received: path={str(path)!r}, which is none")
    try:
        return nir.read(path, type_check=False)
    except Exception as error:  # of h5py or nir, which raise any kind
        raise ValueError(f"`path` must be a NIR file. Received: path={str(path)!r}: {error}") from error


def _time_step(dt, graph, writer):
    if dt is not None:
        dt = _checks.real("dt", dt, low=0.0, low_open=True)
        if writer.dt not in (None, dt):
            raise ValueError(f"`dt` is {writer.dt} in all files of {writer.title}. Received: dt={dt}")
        return dt
    dt = graph.metadata.get("dt", writer.dt)
    if dt is None:
        raise ValueError(
            "`dt` must be given, the seconds of a time step: the file has none in its metadata. "
            "Received: dt=None"
        )
    return float(dt)


def _reset(reset, writer):
    if reset is None and writer.resets_alike:
        choices = " or ".join(repr(known) for known in writer.resets)
        raise ValueError(
            f"`reset` must be given, {choices}: {writer.title} writes all resets alike. Received: reset=None"
        )
    reset = "hard" if reset is None else _checks.one_of("reset", reset, get_args(Reset))
    if reset not in writer.resets:
        raise ValueError(
            f"`reset` must be one that {writer.title} and SpikingLIF have alike, {writer.resets}. "
            f"Received: reset={reset!r}"
        )
    return reset


def _chain(graph):
    """Return pairs of name and node in order, from the input to the output.

    Raises:
        ValueError: the graph is no chain.
    """
    nir, nodes = require_nir(), graph.nodes
    edges = {(str(a), str(b)) for a, b in graph.edges}
    for edge in sorted(edges):
        if not set(edge) <= set(nodes):
            raise ValueError(f"The edges of a graph must join its nodes. Received: the edge {edge}")
    for name, node in nodes.items():
        if isinstance(node, nir.NIRGraph):
            raise unreadable(name, node, "it is a graph of its own, as recurrent neurons are")
        successors, predecessors = [b for a, b in edges if a == name], [a for a, b in edges if b == name]
        if len(successors) > 1 or len(predecessors) > 1:
            ends = f"from {', '.join(predecessors)} to {', '.join(successors)}"
            raise unreadable(name, node, f"it has edges {ends}", "Only chains, without branches or recurrence.")
    ends = [[name for name in nodes if isinstance(nodes[name], kind)] for kind in (nir.Input, nir.Output)]
    if [len(names) for names in ends] != [1, 1]:
        raise ValueError(f"A graph must have one Input and one Output. Received: {ends[0]} and {ends[1]}")
    follows, names = dict(edges), [ends[0][0]]
    while names[-1] in follows:
        names.append(follows[names[-1]])
    unreached = [name for name in nodes if name not in names]
    if unreached or names[-1] != ends[1][0]:
        name = (unreached or names)[-1]
        raise unreadable(name, nodes[name], "no chain of edges from the Input to the Output leads through it")
    return [(name, nodes[name]) for name in names]


def _input_shape(node):
    shape = (node.input_type or {}).get("input")
    if shape is None or not np.size(shape):
        raise ValueError(f"The Input of a graph must have a shape. Received: shape={shape}")
    return tuple(int(n) for n in np.ravel(shape))


def _check_neurons(layers, name, node):
    shape = np.shape(node.v_threshold)
    if np.prod(shape) > 1:
        layers.check_shape(name, node, shape)


def _check_output(layers, stages, name, node):
    if not stages:
        raise unreadable(name, node, "the graph has no neurons")
    shape = (node.output_type or {}).get("output")
    if shape is not None:
        layers.check_shape(name, node, np.ravel(shape))
    layers.check_order(name, node)


def _readout(layers, name, graph):
    activation = graph.metadata.get("activation", "linear")
    return Readout(layers, activation, name=_stage_name(name))


def _stage_name(node):
    """Return the name of a stage, which `to_nir` writes before the kind of a node."""
    name = re.sub(r"_(neurons|synapse(_\d+)?)$", "", node)
    return re.sub(r"[^\w.-]", "_", name) or "stage"
