"""Neurons as nodes of a NIR graph, and nodes as neurons."""

import numpy as np
from keras import ops

from keras_bsd.export._nir_synapse import refusal, require_nir, unreadable
from keras_bsd.layers import SpikingLIF, SpikingLIFCell

# In float32 a membrane that loses this fraction at a time step loses nothing.
_NO_LOSS = 2.0**-26


def neuron_node(stage, shape, dt, reader):
    """Return the node of a stage's neurons.

    Args:
        stage: a `SpikingStage`.
        shape: shape of one sample's neurons in Keras; axes of size one may precede those of the stage.
        dt: float, seconds of a time step.
        reader: `Reader` that the file is for.

    Raises:
        ValueError: the neurons cannot be expressed in NIR, or the reader cannot run them.
    """
    cell = stage.neuron.cell
    if type(stage.neuron) is not SpikingLIF or type(cell) not in _WRITE:
        raise refusal(stage, "its neurons are of a subclass of SpikingLIF")
    if cell.reset != "hard":
        raise refusal(
            stage,
            f"{reader.title} resets neurons to a fixed value, and its neurons have reset={cell.reset!r}",
            'Train with SpikingLIF(reset="hard").',
        )
    if cell.refractory_steps:
        raise refusal(
            stage,
            f"NIR has no refractory neurons, and it has refractory_steps={cell.refractory_steps}",
            "Train with SpikingLIF(refractory_steps=0).",
        )

    def everywhere(value):
        value = np.float64(value) if isinstance(value, float) else ops.convert_to_numpy(value).astype("float64")
        return np.moveaxis(np.broadcast_to(value, stage.output_features).reshape(shape), -1, 0)

    return _WRITE[type(cell)](stage, cell, everywhere, dt, reader)


def _write_lif(stage, cell, everywhere, dt, reader):
    """Return the node of leaky integrate-and-fire neurons.

    Without a gain, `r` of 1, membranes are those of Keras times `loss = dt / tau`, and so is their threshold.
    """
    nir, leak, threshold = require_nir(), everywhere(cell.leak), everywhere(cell.threshold)
    _check_values(stage, leak, threshold, reader)
    zeros = np.zeros(leak.shape, "float32")
    if (leak == 1).all() and "IF" in reader.nodes:
        r, threshold = _filled(zeros, 1 / dt), _threshold(threshold)
        return nir.IF(r=r, v_threshold=threshold, v_reset=zeros)
    loss = np.maximum(1 - leak, _NO_LOSS)
    r, threshold = (1 / loss, threshold) if reader.unit_gain else (1, threshold * loss)
    return nir.LIF(
        tau=_filled(zeros, dt / loss),
        r=_filled(zeros, r),
        v_leak=zeros,
        v_threshold=_threshold(threshold),
        v_reset=zeros,
    )


def _check_values(stage, leak, threshold, reader):
    for what, values, single in (
        ("leak", leak, reader.one_leak),
        ("threshold", threshold, reader.one_threshold),
    ):
        if single and np.ptp(values):
            why = f"{reader.title} has one {what} for all neurons of a layer, and its neurons have several"
            raise refusal(stage, why, f"Train with one {what} for each stage.")
    if reader.no_zero_leak and (leak == 0).any():
        why = f"{reader.title} has no neurons whose membrane is forgotten at each time step, of beta=0"
        raise refusal(stage, why, "Train with a positive `beta`.")


def _filled(like, values):
    return np.broadcast_to(np.asarray(values, "float32"), like.shape).copy()


def _threshold(values):
    """Return thresholds above which neurons spike where those of Keras do, which spike at them."""
    return np.nextafter(values.astype("float32"), np.float32(0))


_WRITE = {SpikingLIFCell: _write_lif}


def read_neurons(name, node, dt, reset, writer):
    """Return the `SpikingLIF` of a node.

    Args:
        name: of the node.
        node: of a type in `NEURONS`.
        dt: float, seconds of a time step.
        reset: reset of the neurons.
        writer: `Writer` of the file.

    Raises:
        ValueError: the neurons of this library have no such parameters.
    """
    return NEURONS[type(node).__name__](name, node, dt, reset, writer)


def _read_lif(name, node, dt, reset, writer):
    tau, leak = _uniform(name, "tau", node.tau), _uniform(name, "v_leak", node.v_leak)
    # To seven digits, for a file's float32 has no more: a leak of 0.9 is 0.9 again.
    loss = float(f"{dt / (tau / dt if writer.tau_times_dt else tau):.6e}")
    if not 0 <= loss <= 1:
        raise unreadable(
            name, node, f"its tau={tau} is shorter than a time step, for dt={dt}", "Pass another `dt`."
        )
    return _neurons(name, node, 1 - loss, loss, leak, reset, writer)


def _read_if(name, node, dt, reset, writer):
    step = 1 if writer.tau_times_dt else dt  # in Norse such a membrane grows by the current itself
    return _neurons(name, node, 1.0, step, _uniform(name, "v_reset", node.v_reset), reset, writer)


def _neurons(name, node, beta, step, rest, reset, writer):
    """Return neurons whose membrane is that of a node above its rest, divided by `step` and `r`."""
    v_reset = _uniform(name, "v_reset", node.v_reset)
    threshold = _uniform(name, "v_threshold", node.v_threshold)
    gain = step * _uniform(name, "r", node.r)
    if gain <= 0:
        raise unreadable(name, node, f"its r and tau must be positive, and give a gain of {gain}")
    if v_reset != rest or (reset != "hard" and rest):
        what = f"v_leak={rest}, v_reset={v_reset} and reset={reset!r}"
        raise unreadable(name, node, f"its neurons, with {what}, are not reset to rest")
    if threshold <= rest:
        raise unreadable(name, node, f"its v_threshold={threshold} is not above its rest, {rest}")
    threshold = np.float32(threshold)
    if not writer.fires_at_threshold:
        threshold = np.nextafter(threshold, np.float32(np.inf))
    gain = 1.0 if abs(gain - 1) < 1e-6 else gain  # r is tau / dt, but for rounding
    return SpikingLIF(beta=beta, threshold=float(np.float32((threshold - rest) / gain)), reset=reset)


def _uniform(name, parameter, values):
    """Return the value that a parameter has for all neurons of a node.

    Raises:
        ValueError: it has several values.
    """
    values = np.unique(np.asarray(values, "float64"))
    if len(values) != 1 or not np.isfinite(values[0]):
        raise ValueError(
            f"Node '{name}' must have one finite {parameter} for all of its neurons. Received: {len(values)} "
            f"values from {values.min()} to {values.max()}"
        )
    return float(values[0])


NEURONS = {"LIF": _read_lif, "IF": _read_if}
