"""Traces of presynaptic signals, which remember them as the membranes behind the synapse do."""

from typing import Any

import keras
from keras import ops

from keras_bsd._backend.custom_gradient import with_value
from keras_bsd._types import Layer, Model, Tensor
from keras_bsd.layers._kinds import count_leading_affine
from keras_bsd.layers._lif_cell import SpikingIFCell, SpikingLIFCell
from keras_bsd.layers._masks import active_mask, expand_like
from keras_bsd.layers._stage import SpikingStage, flatten_stages
from keras_bsd.layers._time_loop import hold


def constant_leak(stage: Layer) -> float | None:
    """Return the leak of a stage's neurons, or None unless it is one constant."""
    cell = stage.neuron.cell
    if type(cell) is SpikingIFCell:
        return 1.0
    return cell.leak if type(cell) is SpikingLIFCell and isinstance(cell.leak, float) else None


def without_traces(encoder: Model) -> str | None:
    """Return an obstacle for rules that take traces, or None if all stages have one leak and linear kernels."""
    for stage in flatten_stages(encoder, SpikingStage):
        if constant_leak(stage) is None:
            return f"the neurons of stage '{stage.name}' have no single constant leak for a trace"
        layers = stage.synapse.layers
        behind = [layer for layer in layers[count_leading_affine(layers) :] if has_kernel(layer)]
        if behind and stage.timesteps is None:
            return f"kernel '{behind[0].name}' of stage '{stage.name}' is behind a layer that is not affine"
    return None


def has_kernel(layer: Layer) -> bool:
    """Return whether a layer has a weight of more than one axis."""
    return any(len(weight.shape) > 1 for weight in layer.weights)


def traced_currents(stage: Layer, inputs: Any, training: bool) -> Tensor:
    """Return currents `(batch, time, ...)` of a stage, through which a weight's gradient is that of traces.

    A bias, and what normalisation has learned, has the trace of a constant input.
    """
    return (_over_time if stage.timesteps is None else _of_held)(stage, inputs, training)


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


def _of_held(stage, inputs, training):
    """Return currents `(batch, time, ...)` with the gradient of the traces of a held stimulus."""
    currents = hold(stage.currents(inputs, training), stage.timesteps)
    return _scale_gradient(currents, leaky_sums(ops.ones((1, currents.shape[1])), constant_leak(stage)))


def _over_time(stage, inputs, training):
    """Return currents `(batch, time, ...)` with the gradient of the traces of spikes."""
    mask, leak = active_mask(), constant_leak(stage)
    affine = ops.stop_gradient(stage.affine_part(inputs, training))
    ones = ops.ones((1 if mask is None else ops.shape(mask)[0], ops.shape(affine)[1]))
    constant = ops.maximum(leaky_sums(ones, leak, mask), 1)  # the trace before a bias

    def mean_trace(spikes):  # of which a bias is no other input
        sums = leaky_sums(spikes, leak, mask)
        return sums / ops.cast(expand_like(constant, sums), sums.dtype)

    variables = [variable for network in stage.connections() for variable in network.variables]
    with keras.StatelessScope([(variable, variable.value) for variable in variables]):  # no regulariser twice
        traced = stage.affine_part(stage.map_spikes(mean_trace, inputs), training)
    return _scale_gradient(stage.remaining_part(with_value(traced, affine), training), constant)


def _scale_gradient(values, factors):
    """Return values `(batch, time, ...)` whose gradient is multiplied by a factor for each time step."""
    return with_value(values * ops.cast(expand_like(factors, values), values.dtype), ops.stop_gradient(values))
