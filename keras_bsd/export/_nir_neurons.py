"""Neurons as nodes of a NIR graph, and nodes as neurons."""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_bsd.export._nir_synapse import refusal, require_nir, unreadable
from keras_bsd.layers import SpikingCuBaLIFCell, SpikingIFCell, SpikingLIF, SpikingLIFCell, SpikingNeurons

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
    if type(cell) not in _WRITE or type(stage.neuron) not in (SpikingLIF, SpikingNeurons):
        known = ", ".join(known.__name__ for known in _WRITE)
        raise refusal(
            stage,
            f"its neurons are {type(cell).__name__}, and NIR has no node that means the same to all packages",
            f"Neurons that can be written are {known}.",
        )
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
    leak, threshold = everywhere(getattr(cell, "leak", 1.0)), everywhere(cell.threshold)
    nir = require_nir()
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


def _write_cuba(stage, cell, everywhere, dt, reader):
    """Return the node of current-based neurons, whose gains are 1 in every package that reads it."""
    if "CubaLIF" not in reader.nodes:
        raise refusal(stage, f"its neurons are {type(cell).__name__}, which {reader.title} does not run right")
    leak, synaptic_leak, threshold = map(everywhere, (cell.leak, cell.synaptic_leak, cell.threshold))
    for each in (leak, synaptic_leak):
        _check_values(stage, each, threshold, reader)
    zeros = np.zeros(leak.shape, "float32")
    loss, synaptic_loss = (np.maximum(1 - values, _NO_LOSS) for values in (leak, synaptic_leak))
    return require_nir().CubaLIF(
        tau_syn=_filled(zeros, dt / synaptic_loss),
        tau_mem=_filled(zeros, dt / loss),
        r=_filled(zeros, 1 / loss),
        v_leak=zeros,
        v_threshold=_threshold(threshold),
        v_reset=zeros,
        w_in=_filled(zeros, 1 / synaptic_loss),
    )


_WRITE = {SpikingLIFCell: _write_lif, SpikingIFCell: _write_lif, SpikingCuBaLIFCell: _write_cuba}


class _Read(NamedTuple):
    """What a node says of its neurons, as arrays that broadcast to them."""

    loss: Any  # the fraction that membranes lose in a time step
    gain: Any  # the factor of inputs on their way to membranes
    rest: Any
    synaptic_loss: Any = None  # the fraction that synaptic currents lose, None without


def read_neurons(name, node, dt, reset, writer):
    """Return the neurons of a node, and by parameter the values of those that differ between neurons.

    Args:
        name: of the node.
        node: of a type in `NEURONS`.
        dt: float, seconds of a time step.
        reset: reset of the neurons.
        writer: `Writer` of the file.

    Raises:
        ValueError: the neurons of this library have no such parameters.
    """
    read = NEURONS[type(node).__name__](name, node, dt, writer)
    values = {"leak": 1 - read.loss, "threshold": _threshold_above(name, node, read, reset, writer)}
    if read.synaptic_loss is not None:
        values["synaptic_leak"] = 1 - read.synaptic_loss
    if all(array.size == 1 for array in values.values()):
        return _make(reset, **{parameter: array.item() for parameter, array in values.items()}), {}
    places = [np.moveaxis(array, 0, -1) for array in np.broadcast_arrays(*values.values())]
    return _make(reset, granularity="neuron", **dict.fromkeys(values, 0.5)), dict(
        zip(values, places, strict=True)
    )


def _make(reset, leak, threshold, synaptic_leak=None, granularity="layer"):
    options = {"beta": leak, "threshold": threshold, "reset": reset, "granularity": granularity}
    if synaptic_leak is None:
        return SpikingLIF(**options)
    return SpikingNeurons(SpikingCuBaLIFCell(synaptic_beta=synaptic_leak, **options))


def _read_lif(name, node, dt, writer):
    loss = _loss(name, node, "tau", dt, writer)
    return _Read(loss, loss * _values(name, "r", node.r), _values(name, "v_leak", node.v_leak))


def _read_if(name, node, dt, writer):
    step = 1.0 if writer.tau_times_dt else dt  # in Norse such a membrane grows by the current itself
    return _Read(np.zeros(1), step * _values(name, "r", node.r), _values(name, "v_reset", node.v_reset))


def _read_cuba(name, node, dt, writer):
    if writer.tau_times_dt:
        raise unreadable(name, node, f"the time constants of {writer.title}'s CubaLIF are not known")
    loss, synaptic_loss = (_loss(name, node, constant, dt, writer) for constant in ("tau_mem", "tau_syn"))
    gain = loss * _values(name, "r", node.r) * synaptic_loss * _values(name, "w_in", node.w_in)
    return _Read(loss, gain, _values(name, "v_leak", node.v_leak), synaptic_loss)


def _loss(name, node, constant, dt, writer):
    """Return what is lost in a time step by a time constant."""
    tau = _values(name, constant, getattr(node, constant))
    # To seven digits, for a file's float32 has no more: a leak of 0.9 is 0.9 again.
    digits = np.vectorize(lambda loss: float(f"{loss:.6e}"), otypes=["float64"])
    with np.errstate(divide="ignore"):
        loss = digits(dt / (tau / dt if writer.tau_times_dt else tau))
    if np.any(loss < 0) or np.any(loss > 1):
        what = f"its {constant}={_shown(tau)} is shorter than a time step, for dt={dt}"
        raise unreadable(name, node, what, "Pass another `dt`.")
    return loss


def _threshold_above(name, node, read, reset, writer):
    """Return the threshold of membranes that are those of a node above its rest, divided by the gain."""
    gain, rest, v_reset = read.gain, read.rest, _values(name, "v_reset", node.v_reset)
    threshold = _values(name, "v_threshold", node.v_threshold)
    if np.any(gain <= 0):
        raise unreadable(name, node, f"its gains and time constants must be positive, and give {gain.min()}")
    if np.any(v_reset != rest) or (reset != "hard" and np.any(rest)):
        what = f"v_leak={_shown(rest)}, v_reset={_shown(v_reset)} and reset={reset!r}"
        raise unreadable(name, node, f"its neurons, with {what}, are not reset to rest")
    if np.any(threshold <= rest):
        raise unreadable(
            name, node, f"its v_threshold={_shown(threshold)} is not above its rest, {_shown(rest)}"
        )
    threshold = threshold.astype("float32")
    if not writer.fires_at_threshold:
        threshold = np.nextafter(threshold, np.float32(np.inf))
    gain = np.where(abs(gain - 1) < 1e-6, 1.0, gain)  # r is tau / dt, but for rounding
    return ((threshold - rest) / gain).astype("float32")


def _shown(values):
    """Return a parameter as an error shows it: a number, or the range of several."""
    return f"{values.min()}" if values.size == 1 else f"{values.min()} to {values.max()}"


def _values(name, parameter, values):
    """Return a parameter of all neurons of a node, an array of one value where it is the same for all.

    Raises:
        ValueError: a value is not finite.
    """
    values = np.asarray(values, "float64")
    if not values.size or not np.isfinite(values).all():
        raise ValueError(f"Node '{name}' must have finite values of {parameter}. Received: {values}")
    return values.reshape(-1)[:1] if values.min() == values.max() else values


NEURONS = {"LIF": _read_lif, "IF": _read_if, "CubaLIF": _read_cuba}
