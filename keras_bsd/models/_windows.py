"""Many time steps in windows of time, so that memory does not grow with their number.

The rate rule needs no record of time: membranes, tangents, and sums of slopes and spikes are carried from
window to window. At the end each stage responds to the rates before it, as it does to those of a single window.
Networks are run by `call`, for that does not compare the length of a window with that of their input.
Inference carries membranes, and the sums of spikes that readouts take.
"""

from typing import NamedTuple

import keras
from keras import ops

from keras_bsd import _rules
from keras_bsd._state_scope import is_single_step
from keras_bsd.layers._readout import Readout
from keras_bsd.layers._stage import SpikingStage, repeated_stages, walk
from keras_bsd.layers._time_loop import holding, is_at_once


class Windows(NamedTuple):
    """How a network is split."""

    length: int  # time steps of a window
    least: int  # time steps of the shortest training that is split


OF_MAPS = Windows(4, least=8)  # maps are most of the memory
OF_VECTORS = Windows(16, least=33)  # each window costs as many operations of little work
LEAST_INFERRED = 33


def windows_of(network):
    """Return the `Windows` of a network."""
    stages = (layer for layer in walk(network) if isinstance(layer, SpikingStage))
    return OF_MAPS if any(len(stage.output_features) > 1 for stage in stages) else OF_VECTORS


def steps_to_split(network, inputs, training):
    """Return the number of time steps if they are run in windows, or None if all at once.

    All at once run few time steps, and networks in which a window could not stand for itself: those with layers
    that could mix time steps, with losses that a layer adds at each call, or with a stage that is called twice.

    Args:
        network: Keras model.
        inputs: stimuli `(batch, ...)`, or spikes `(batch, time, ...)`.
        training: bool.
    """
    if is_at_once() or is_single_step():
        return None
    layers = list(walk(network))
    held = {layer.timesteps for layer in layers if isinstance(layer, SpikingStage)} - {None}
    steps = max(held) if held else inputs.shape[1]
    if not isinstance(steps, int) or steps < (windows_of(network).least if training else LEAST_INFERRED):
        return None
    return steps if all(map(_keeps_steps_apart, layers)) and not repeated_stages(network) else None


def _keeps_steps_apart(layer):
    """Return whether a layer computes each time step for itself, but for what a stage carries."""
    inner = layer._flatten_layers()
    if any(getattr(part, "activity_regularizer", None) is not None for part in inner):
        return False
    if isinstance(layer, SpikingStage):
        usual = type(layer).linearized is SpikingStage.linearized and type(layer).fire is SpikingStage.fire
        return usual and not layer.neuron.stateful
    if isinstance(layer, keras.layers.MaxPooling3D):
        last = layer.data_format == "channels_last"
        return last and layer.pool_size[0] == layer.strides[0] == 1
    if isinstance(layer, keras.layers.Concatenate):
        return layer.axis == -1
    return type(layer) in (keras.layers.InputLayer, Readout)


def infer_in_windows(network, inputs, steps):
    """Return a network's outputs in inference.

    Args:
        network, inputs, steps: see `run_in_windows`.
    """
    parts = [layer for layer in walk(network) if isinstance(layer, (SpikingStage, Readout))]
    size = ops.shape(inputs)[0]

    def advance(first, length, before):
        """Process a window of time; return outputs for all time steps so far, and what is carried after it."""
        window = inputs if _holds(network) else _window(inputs, first, length)
        scope = _Inferring(dict(zip(parts, before, strict=True)), first + length)
        with scope, holding(length):
            outputs = network.call(window, training=False)
        return outputs, keras.tree.map_structure(_like, before, [scope.after[part] for part in parts])

    carried = [
        [_zeros(size, part.input_features)] if isinstance(part, Readout) else part.get_initial_state(size)
        for part in parts
    ]
    length = windows_of(network).length
    count, last = _windows_before_last(steps, length)
    carried = ops.fori_loop(0, count, lambda i, carried: advance(i * length, length, carried)[1], carried)
    return advance(count * length, last, carried)[0]


def run_in_windows(network, inputs, rule, steps):
    """Run a network in training by a local rule; return its outputs and the scope of its stages.

    Currents are normalised by the batch statistics of each window. Moving statistics change once, by the mean
    over all windows.

    Args:
        network: Keras model of which `steps_to_split` has returned `steps`.
        inputs: stimuli `(batch, ...)`, or spikes `(batch, time, ...)`.
        rule: one of `_rules.WITHOUT_RECORD`.
        steps: int, the number of time steps.
    """
    stages = [layer for layer in walk(network) if isinstance(layer, SpikingStage)]
    pools = any(isinstance(layer, keras.layers.MaxPooling3D) for layer in walk(network))
    readouts = [layer for layer in walk(network) if isinstance(layer, Readout)]
    of_readouts = {id(variable) for readout in readouts for variable in readout.variables}
    changing = [v for v in network.non_trainable_variables if id(v) not in of_readouts]
    moving = [v for v in changing if keras.backend.is_float_dtype(v.dtype)]
    chained = [v for v in changing if not keras.backend.is_float_dtype(v.dtype)]  # states of random generators

    def advance(first, length, carried):
        """Process a window of time; return what is carried after it."""
        before, moved, states = carried
        state = [(variable, ops.stop_gradient(variable.value)) for variable in network.variables]
        state += zip(chained, states, strict=True)
        window = inputs if _holds(network) else _window(inputs, first, length)
        scope = _Advancing(dict(zip([*stages, *readouts], before, strict=True)))
        with keras.StatelessScope(state), holding(length):
            with scope:
                network.call(window, training=True)
            moved = [
                total + length / steps * variable.value for variable, total in zip(moving, moved, strict=True)
            ]
            states = [variable.value for variable in chained]
        after = [scope.after[stage] for stage in (*stages, *readouts)]
        return keras.tree.map_structure(_like, before, after), moved, states

    size = ops.shape(inputs)[0]
    carried = (
        [_at_rest(stage, size, pools) for stage in stages]
        + [[_zeros(size, r.input_features)] for r in readouts],
        [ops.zeros(variable.shape, variable.dtype) for variable in moving],
        [variable.value for variable in chained],
    )
    length = windows_of(network).length
    count, last = _windows_before_last(steps, length)
    if last == length:
        count, last = count + 1, 0
    carried = ops.fori_loop(0, count, lambda i, carried: advance(i * length, length, carried), carried)
    if last:
        carried = advance(count * length, last, carried)
    sums, moved, states = keras.tree.map_structure(ops.stop_gradient, carried)
    for variable, value in zip([*moving, *chained], [*moved, *states], strict=True):
        variable.assign(value)
    with _Responding(rule, dict(zip([*stages, *readouts], sums, strict=True)), steps) as scope:
        means = inputs if _holds(network) else ops.mean(inputs, axis=1, keepdims=True)
        outputs = network.call(means, training=True)
    return outputs, scope


def _windows_before_last(steps, length):
    """Return the number of windows before the last, and the time steps of that: the rest is none of its own."""
    count = max(steps // length - 1, 0)
    return count, steps - count * length


def _holds(network):
    """Return whether the inputs of a network are held over time, and have no time axis."""
    return any(isinstance(layer, SpikingStage) and layer.timesteps for layer in walk(network))


def _window(inputs, first, length):
    """Return `length` time steps of inputs, from `first` on, which a loop may compute."""
    start = (0, first, *[0] * (len(inputs.shape) - 2))
    return ops.slice(inputs, start, (ops.shape(inputs)[0], length, *inputs.shape[2:]))


def _at_rest(stage, size, pools):
    """Return what a stage carries, before the first window: sums over time, and states.

    Where the network pools, the mean of a stage's inputs does not follow from the rates before it.
    """
    cell = stage.neuron.cell
    states = cell.with_tangents(cell.get_initial_state(size))
    shapes = [stage.output_features, *[stage.input_features] * (pools and stage.timesteps is None)]
    return [[_zeros(size, shape) for shape in shapes], states]


def _zeros(size, shape):
    return ops.zeros((size, *shape), "float32")


def _like(before, after):
    """Return a tensor whose sizes are known where they were: loops reject others."""
    return ops.reshape(after, ops.shape(before))


def _add(total, values):
    """Return a sum over time with the values `(batch, time, ...)` of a window added."""
    return total + ops.sum(ops.cast(values, "float32"), axis=1)


class _Advancing(_rules.LocalLearning):
    """Scope in which stages process a window of time."""

    def __init__(self, before):
        super().__init__(None)
        self._before = before
        self.after = {}

    def run_stage(self, stage, inputs, training):
        sums, states = self._before[stage]
        _, spikes, states = stage.advance(inputs, training, states)
        summed = [spikes, *[stage.spikes_of(inputs)] * (len(sums) > 1)]
        self.after[stage] = [list(map(_add, sums, summed)), states]
        return spikes

    def rates(self, readout, inputs):
        (total,) = self._before[readout]
        self.after[readout] = [_add(total, inputs)]
        return inputs[:, 0]  # what comes of it is not used


class _Inferring(_rules.LocalLearning):
    """Scope in which stages process a window of time in inference, and readouts output what all so far say."""

    def __init__(self, before, steps):
        super().__init__(None)
        self._before, self._steps = before, steps
        self.after = {}

    def run_stage(self, stage, inputs, training):
        currents = stage.currents(inputs, training)
        spikes, *states = stage.fire(currents, initial_state=self._before[stage], return_state=True)
        self.after[stage] = states
        return spikes

    def rates(self, readout, inputs):
        (total,) = self._before[readout]
        self.after[readout] = [_add(total, inputs)]
        return self.after[readout][0] / ops.cast(self._steps, "float32")


class _Responding(_rules.LocalLearning):
    """Scope in which stages respond to their means over all windows, and output rates as one time step."""

    def __init__(self, rule, sums, steps):
        super().__init__(lambda stage, *arguments: rule(_Responder(stage, sums[stage], steps), *arguments))
        self._sums, self._steps = sums, steps

    def rates(self, readout, inputs):
        (total,) = self._sums[readout]
        return total / self._steps


class _Responder:
    """What a rule calls of a stage, after the stage has run over all windows."""

    def __init__(self, stage, carried, steps):
        self._stage, self._steps = stage, steps
        sums, self._states = carried
        self._rates, *self._inputs = (total / steps for total in sums)

    def linearized(self, inputs, training):
        stage = self._stage
        means = stage.mean_inputs(inputs)
        if self._inputs:
            means = stage.map_spikes(lambda _: self._inputs[0], inputs)
        current = stage.mean_current(means, None, training)
        return self._rates[:, None], current, stage.neuron.cell.response(current, self._states, self._steps)

    def firing_rates(self, spikes):
        return self._rates
