"""Pairs of a feedforward weight and its backward twin, and their alignment."""

from typing import NamedTuple

import numpy as np
from keras import ops

from keras_bsd.layers import Readout, SkipConv2D, flatten_stages
from keras_bsd.layers._kinds import kind_of
from keras_bsd.layers._stage import stage_names

LOGGED_AS = "weight_cosine"  # the log of keras_bsd.callbacks.LayerAlignment, after the stage's name


class Twins(NamedTuple):
    """Comparison of the weights of an encoder stage and of the decoder stage between the same populations."""

    forward: str
    backward: str
    cosines: tuple[float, ...]  # one for each pair of kernels
    chance: tuple[float, ...]  # standard deviation of the cosine of random kernels of the same size
    unpaired: str  # why weights are not compared; empty if all are

    @property
    def cosine(self):
        """Mean over the pairs of kernels, None if there is none."""
        return float(np.mean(self.cosines)) if self.cosines else None


def twin_stages(model):
    """Return pairs of stages whose synapses connect the same two populations, upwards and downwards.

    Stage `i` of the encoder maps the neurons of stage `i - 1` to its own. Its twin is the decoder's mirror
    image of stage `i - 1`, or for the first stage the decoder's readout of the stimulus. The twin of the
    encoder's readout is the decoder's first stage.
    """
    upward = [*model.encoder_stages, *flatten_stages(model.encoder, Readout)]
    downward = [*flatten_stages(model.decoder, Readout), *model.decoder_stages]
    return list(zip(upward, downward, strict=False))


def compare(model):
    """Return the alignment of every feedforward weight with its backward twin, a list of `Twins`.

    A backward kernel is compared as its adjoint: transposed, and for plain convolutions mirrored in space, too.
    The adjoint of a transposed convolution is the convolution with the same kernel. Several kernels of one
    synapse have their twins in reverse order. `unpaired` names weights without a counterpart of the same shape.
    What brings the concept to a stage directly connects populations that the encoder does not, and has no twin.

    Args:
        model: `keras_bsd.BSDModel`.
    """
    names = stage_names(model.encoder) | stage_names(model.decoder)
    return [_compare(upward, downward, names) for upward, downward in twin_stages(model)]


def _compare(upward, downward, names):
    up, up_unpaired = _kernels(upward)
    down, down_unpaired = _kernels(downward)
    unpaired = [*up_unpaired, *down_unpaired]
    down = [_adjoint(kernel) for kernel in reversed(down)]
    if [kernel.shape for kernel in up] != [kernel.shape for kernel in down]:
        shapes = (" and ".join(str(kernel.shape) for kernel in kernels) or "none" for kernels in (up, down))
        unpaired.append("kernel shapes differ: forward {}, adjoints of backward {}".format(*shapes))
        up = down = []
    return Twins(
        names[upward],
        names[downward],
        tuple(_cosine(a, b) for a, b in zip(up, down, strict=True)),
        tuple(a.size**-0.5 for a in up),
        "; ".join(unpaired),
    )


def _kernels(stage):
    """Return kernels `(..., inputs, outputs)` as plain convolutions have them, and why others are unpaired."""
    kernels, unpaired = [], []
    for layer in stage.synapse.layers:
        kernel = kind_of(layer).kernel
        if type(layer) is SkipConv2D:
            kernels.append(_array(layer.convolution.kernel))
            unpaired.append(f"{layer.name}: its skip connection has no backward counterpart")
        elif kernel == "forward":
            kernels.append(_array(layer.kernel))
        elif kernel == "transposed":
            kernels.append(_adjoint(_array(layer.kernel)))
        elif any(len(weight.shape) > 1 for weight in layer.trainable_weights):
            unpaired.append(f"{layer.name}: the adjoint of a {type(layer).__name__} is unknown")
    return kernels, unpaired + [f"{path}: outside the synapse" for path in kernels_outside_synapse(stage)]


def kernels_outside_synapse(stage):
    """Return the paths of a stage's kernels that are in none of its `connections`."""
    inside = {id(weight) for network in stage.connections() for weight in network.weights}
    return _kernel_paths(weight for weight in stage.trainable_weights if id(weight) not in inside)


def _kernel_paths(weights):
    return [weight.path for weight in weights if len(weight.shape) > 1]


def _array(weight):
    return np.asarray(ops.convert_to_numpy(weight), "float32")


def _adjoint(kernel):
    """Return the kernel `(..., outputs, inputs)` of the adjoint map."""
    return np.flip(kernel, axis=tuple(range(kernel.ndim - 2))).swapaxes(-1, -2)


def _cosine(a, b):
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.vdot(a, b) / norms) if norms else 0.0
