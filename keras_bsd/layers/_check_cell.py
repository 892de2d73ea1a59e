"""Checks of a spiking cell: what stages, rules, streaming and saving expect of it."""

import numpy as np
from keras import ops

from keras_bsd._backend import gradients
from keras_bsd._types import Function
from keras_bsd.layers._neurons import SpikingNeurons
from keras_bsd.layers._spiking_cell import SpikingCell

_SHAPE = (3, 12, 5)  # samples, time steps, neurons
_TOLERANCE = 1e-4


def check_spiking_cell(make: Function, seed: int = 0) -> None:
    """Run a cell through what the rest of this package expects of it, and raise at the first difference.

    Checked are its states, binary spikes, its configuration, masks, the state that a sequence carries on, and
    the derivatives that the rate rule takes from `linearize`, against gradients through time for currents that
    do not change. That last check is exact for the cells of this package; a cell that is trained by
    `rule="surrogate"` alone may fail it.

    Args:
        make: function without arguments, or a class, that returns a new cell each time.
        seed: int, of the currents.

    Raises:
        ValueError: `make` returns no `SpikingCell`, or the cell breaks its contract; the message says how.

    Example:

    >>> keras_bsd.layers.check_spiking_cell(lambda: keras_bsd.layers.SpikingALIFCell(trainable_leak=True))
    """
    cell = make()
    if not isinstance(cell, SpikingCell):
        raise ValueError(f"`make` must return a SpikingCell. Received: {cell!r}")
    generator = np.random.default_rng(seed)
    currents = ops.convert_to_tensor(generator.normal(0.4, 0.6, _SHAPE).astype("float32"))
    neurons = SpikingNeurons(cell, return_state=True, dtype="float32")
    spikes, *states = neurons(currents)
    _check_states(cell, spikes, states)
    _check_config(neurons, currents, spikes)
    _check_carried_state(neurons, currents, spikes)
    _check_mask(neurons, currents, generator)
    _check_linearized(neurons, currents, spikes, states)
    _check_derivatives(make, generator)


def _fail(cell, expected, received):
    raise ValueError(f"{cell.__class__.__name__} must {expected}. Received: {received}")


def _check_states(cell, spikes, states):
    names = cell.state_names
    if names[:1] != ("membrane",):
        _fail(cell, "name the membrane first in `dynamics`", f"state_names={names}")
    if len(states) != len(names):
        _fail(cell, f"return a state for each of {names}", f"{len(states)} states")
    expected = (_SHAPE[0], _SHAPE[2])
    for name, state in zip(names, states, strict=True):
        if tuple(state.shape) != expected or not np.isfinite(_array(state)).all():
            _fail(
                cell, f"keep its state '{name}' finite and of shape {expected}", f"shape {tuple(state.shape)}"
            )
    values = set(np.unique(_array(spikes)).tolist())
    if not values <= {0.0, 1.0}:
        _fail(cell, "emit spikes of 0 and 1", f"spikes of {sorted(values)[:5]}")


def _check_config(neurons, currents, spikes):
    config = neurons.cell.get_config()
    copy = neurons.cell.__class__.from_config(config)
    if copy.get_config() != config:
        _fail(neurons.cell, "return by `get_config` all that `from_config` needs", f"{copy.get_config()}")
    restored = SpikingNeurons(copy, dtype="float32")
    restored.build(_SHAPE)
    restored.set_weights(neurons.get_weights())
    if not np.array_equal(_array(restored(currents)), _array(spikes)):
        _fail(neurons.cell, "spike alike after `from_config`", "other spikes")


def _check_carried_state(neurons, currents, spikes):
    half = _SHAPE[1] // 2
    first, *state = neurons(currents[:, :half])
    second, *_ = neurons(currents[:, half:], initial_state=state)
    if not np.array_equal(np.concatenate([_array(first), _array(second)], axis=1), _array(spikes)):
        _fail(neurons.cell, "hold in its states all that later time steps need", "other spikes in two parts")


def _check_mask(neurons, currents, generator):
    mask = generator.random(_SHAPE[:2]) < 0.6
    masked, *_ = neurons(currents, mask=ops.convert_to_tensor(mask))
    for i, steps in enumerate(mask):
        alone, *_ = neurons(ops.convert_to_tensor(_array(currents)[i : i + 1, steps]))
        if not np.array_equal(_array(masked)[i, steps], _array(alone)[0]):
            _fail(neurons.cell, "change its states in `call` alone", "other spikes where steps are masked")


def _check_linearized(neurons, currents, spikes, states):
    linearized, *carried = neurons(currents, linearize=True)
    pairs = zip([spikes, *states], [linearized, *carried[: len(states)]], strict=True)
    if not all(np.allclose(_array(a), _array(b), atol=_TOLERANCE) for a, b in pairs):
        _fail(neurons.cell, "return by `linearize` the spikes and states of `call`", "others")


def _check_derivatives(make, generator):
    """Compare what `linearize` sums with gradients of the number of spikes, neuron by neuron."""
    cell = make()
    neurons = SpikingNeurons(cell, dtype="float32")
    current = ops.convert_to_tensor(generator.normal(0.4, 0.6, (_SHAPE[0], _SHAPE[2])).astype("float32"))
    held = ops.repeat(current[:, None], _SHAPE[1], axis=1)
    _, *carried = neurons(held, linearize=True)
    sums = dict(zip(cell.directions, carried[-len(cell.directions) :], strict=True))
    ones = {name: ops.ones_like(current) for name in cell.directions[1:]}

    def count(current, *scales):
        """Return the number of spikes, of a current and of learned numbers times `scales`."""
        values = {name: getattr(cell, name) for name in ones}
        try:
            for name, scale in zip(ones, scales, strict=True):
                setattr(cell, name, ops.convert_to_tensor(values[name]) * scale)
            return ops.sum(neurons(ops.repeat(current[:, None], _SHAPE[1], axis=1)))
        finally:
            for name, value in values.items():
                setattr(cell, name, value)

    (expected,) = gradients(lambda *tensors: [count(*tensors)], [current, *ones.values()])
    for (name, total), gradient in zip(sums.items(), expected, strict=True):
        scale = 1.0 if name == "current" else _array(getattr(cell, name))
        difference = np.abs(_array(total) * scale - _array(gradient)).max()
        if not difference <= _TOLERANCE * max(1.0, np.abs(_array(gradient)).max()):
            _fail(
                cell,
                f"carry forward in `linearize` the derivative by the {name}",
                f"a difference of {difference}",
            )


def _array(tensor):
    return ops.convert_to_numpy(tensor)
