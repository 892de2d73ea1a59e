"""NIR graphs by their definition, integrated by Euler's method, one sample and time step after the other."""

import nir
import numpy as np


def apply(node, x, state, dt):
    """Apply a NIR node to one sample and time step, by its definition, integrated by Euler's method."""
    if isinstance(node, nir.Flatten):
        return x.reshape(-1)
    if isinstance(node, nir.Affine):
        return node.weight @ x + node.bias
    if isinstance(node, (nir.Conv1d, nir.Conv2d)):
        return convolve(node, x)
    if isinstance(node, nir.AvgPool2d):
        return average(node, x)
    if isinstance(node, (nir.Input, nir.Output)):
        return x
    membrane = state.get(id(node), np.zeros_like(x))
    if isinstance(node, nir.LIF):
        membrane = membrane + dt / node.tau * (node.v_leak - membrane + node.r * x)
    else:
        membrane = membrane + dt * node.r * x
    spikes = membrane > node.v_threshold
    state[id(node)] = np.where(spikes, node.v_reset, membrane)
    return spikes.astype("float32")


def convolve(node, x):
    """Return the convolution of a map `(channels, ...)`, one place of the kernel after the other."""
    weight, rank = np.asarray(node.weight), x.ndim - 1
    stride, dilation = (np.broadcast_to(values, rank) for values in (node.stride, node.dilation))
    if isinstance(node.padding, str):
        totals = dilation * (np.array(weight.shape[2:]) - 1) * (node.padding == "same")
        widths = [(total // 2, total - total // 2) for total in totals]
    else:
        widths = [(n, n) for n in np.broadcast_to(node.padding, rank)]
    x = np.pad(x.astype("float64"), [(0, 0), *widths])
    reach = dilation * (np.array(weight.shape[2:]) - 1) + 1
    sizes = (np.array(x.shape[1:]) - reach) // stride + 1
    groups, outputs = int(node.groups), []
    for filters, inputs in zip(np.split(weight, groups), np.split(x, groups), strict=True):
        total = np.zeros((len(filters), *sizes))
        for place in np.ndindex(*weight.shape[2:]):
            starts = np.array(place) * dilation
            window = tuple(slice(a, a + s * n, s) for a, s, n in zip(starts, stride, sizes, strict=True))
            total += np.tensordot(filters[(..., *place)], inputs[(slice(None), *window)], 1)
        outputs.append(total)
    return np.concatenate(outputs) + node.bias.reshape(-1, *[1] * rank)


def average(node, x):
    (height, width), (down, right) = node.kernel_size, node.stride
    assert not np.any(node.padding)
    windows = np.lib.stride_tricks.sliding_window_view(x, (height, width), (1, 2))[:, ::down, ::right]
    return windows.mean((-1, -2))


def in_order(graph):
    """Return the graph's nodes in the order of its edges."""
    follows, name = dict(graph.edges), "input"
    names = [name]
    while name in follows:
        name = follows[name]
        names.append(name)
    assert len(names) == len(graph.nodes) == len(graph.edges) + 1
    return {name: graph.nodes[name] for name in names}


def simulate(graph, x):
    """Return spike counts of neurons, and the output averaged over time, for one sample's inputs by step."""
    state, counts, outputs = {}, {}, []
    for current in x:
        for name, node in in_order(graph).items():
            current = apply(node, current, state, graph.metadata["dt"])
            if isinstance(node, (nir.LIF, nir.IF)):
                counts[name] = counts.get(name, 0) + current
        outputs.append(current)
    return counts, np.mean(outputs, axis=0)
