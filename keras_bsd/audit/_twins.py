"""Which feedforward weight faces which backward one, and how alike they are."""

from typing import NamedTuple

import numpy as np
from keras import ops

from keras_bsd.layers._kinds import kind_of
from keras_bsd.layers._readout import Readout
from keras_bsd.layers._skip_conv import SkipConv2D
from keras_bsd.layers._stage import flatten_stages

LOGGED_AS = "weight_cosine"  # what keras_bsd.callbacks.LayerAlignment calls it, after the stage's name


class Twins(NamedTuple):
    """A stage of the encoder, the decoder's that runs the same way back, and how their weights compare."""

    forward: str
    backward: str
    cosines: tuple  # one for each pair of kernels
    chance: tuple  # standard deviation of the cosine of random kernels of that size
    unpaired: str  # why weights are left out; empty if none is

    @property
    def cosine(self):
        """Mean over the pairs of kernels, None if there is none."""
        return float(np.mean(self.cosines)) if self.cosines else None


def twin_stages(model):
    """Pairs of stages whose synapses join the same two populations, one up and one down.

    Stage `i` of the encoder runs from the neurons of stage `i - 1` to its own. What runs back is the
    decoder's stage that mirrors `i - 1`; for the first stage, its readout of the stimulus. The encoder's
    readout of the concept faces the decoder's first stage.
    """
    upward = [*model.encoder_stages, *flatten_stages(model.encoder, Readout)]
    downward = [*flatten_stages(model.decoder, Readout), *model.decoder_stages]
    return list(zip(upward, downward, strict=False))


def compare(model):
    """Alignment of every feedforward weight with its backward twin, a list of `Twins`.

    A backward kernel is laid out as the adjoint of the feedforward one before the two are compared:
    transposed, and for plain convolutions mirrored in space too. A transposed convolution is the
    adjoint of the convolution with the same kernel. Where a synapse has several kernels in a row, the
    way back has them in reverse order. Whatever has no counterpart of the same shape is named.

    Args:
        model: `keras_bsd.BSDModel`.
    """
    return [_compare(upward, downward) for upward, downward in twin_stages(model)]


def _compare(upward, downward):
    up, left_over = _kernels(upward)
    down, also_left_over = _kernels(downward)
    unpaired = [*left_over, *also_left_over]
    down = [_adjoint(kernel) for kernel in reversed(down)]
    if [kernel.shape for kernel in up] != [kernel.shape for kernel in down]:
        shapes = (" and ".join(str(kernel.shape) for kernel in kernels) or "none" for kernels in (up, down))
        unpaired.append("kernels {} against {} as adjoints".format(*shapes))
        up = down = []
    return Twins(
        upward.name,
        downward.name,
        tuple(_cosine(a, b) for a, b in zip(up, down, strict=True)),
        tuple(a.size**-0.5 for a in up),
        "; ".join(unpaired),
    )


def _kernels(stage):
    """Kernels `(..., inputs, outputs)` as plain convolutions have them, and names of other weights."""
    kernels, others = [], []
    for layer in stage.synapse.layers:
        kernel = kind_of(layer).kernel
        if type(layer) is SkipConv2D:
            kernels.append(_array(layer.convolution.kernel))
            others.append(f"{layer.name}: spikes that skip have no way back")
        elif kernel == "forward":
            kernels.append(_array(layer.kernel))
        elif kernel == "transposed":
            kernels.append(_adjoint(_array(layer.kernel)))
        elif any(len(weight.shape) > 1 for weight in layer.trainable_weights):
            others.append(f"{layer.name}: how a {type(layer).__name__} runs is not known")
    return kernels, others + [f"{path}: outside the synapse" for path in outside_synapse(stage)]


def outside_synapse(stage):
    """Paths of the kernels that a stage has beside its synapse's."""
    inside = {id(weight) for weight in stage.synapse.weights}
    weights = (weight for weight in stage.trainable_weights if id(weight) not in inside)
    return [weight.path for weight in weights if len(weight.shape) > 1]


def _array(weight):
    return np.asarray(ops.convert_to_numpy(weight), "float32")


def _adjoint(kernel):
    """The kernel `(..., outputs, inputs)` of the map that runs back."""
    return np.flip(kernel, axis=tuple(range(kernel.ndim - 2))).swapaxes(-1, -2)


def _cosine(a, b):
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.vdot(a, b) / norms) if norms else 0.0
