"""Traces of presynaptic signals, which remember them as the membranes behind the synapse do."""

import keras
from keras import ops

from keras_bsd._types import Layer, Model, Tensor
from keras_bsd.layers._lif_cell import SpikingIFCell, SpikingLIFCell
from keras_bsd.layers._stage import SpikingStage, flatten_stages


def constant_leak(stage: Layer) -> float | None:
    """Return the leak of a stage's neurons, or None unless it is one constant."""
    cell = stage.neuron.cell
    if type(cell) is SpikingIFCell:
        return 1.0
    return cell.leak if type(cell) is SpikingLIFCell and isinstance(cell.leak, float) else None


def without_constant_leak(encoder: Model) -> str | None:
    """Return an obstacle for rules that take traces, or None if the neurons of all stages have one leak."""
    for stage in flatten_stages(encoder, SpikingStage):
        if constant_leak(stage) is None:
            return f"the neurons of stage '{stage.name}' have no single constant leak for a trace"
    return None


def leaky_sums(values: Tensor, leak: float, mask: Tensor | None = None) -> Tensor:
    """Return `a` with `a[t] = leak a[t - 1] + values[t]`, detached.

    It is computed as a product with a matrix, which needs no loop over time.

    Args:
        values: `(batch, time, ...)`.
        leak: float in [0, 1].
        mask: booleans `(batch, time)`; where it is false, the sum does not change.
    """
    shape = ops.shape(values)
    dtype = keras.backend.result_type(values.dtype, "float32")
    values = ops.reshape(ops.cast(ops.stop_gradient(values), dtype), (shape[0], shape[1], -1))
    present = ops.ones((1, shape[1]), dtype) if mask is None else ops.cast(mask, dtype)
    passed = ops.cumsum(present, axis=1)  # time steps up to each
    between = passed[:, :, None] - passed[:, None]
    steps = ops.arange(shape[1])
    counts = ops.cast(steps[:, None] >= steps[None], dtype) * present[:, None]
    shares = counts * ops.power(ops.cast(leak, dtype), ops.maximum(between, 0))
    return ops.reshape(ops.matmul(shares, values), shape)
