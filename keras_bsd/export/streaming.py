"""One moment of a network, its state handed in and out."""

import contextlib
import functools

import keras
import numpy as np
from keras import ops

from keras_bsd.carrying import CarriedState
from keras_bsd.export import observation
from keras_bsd.export.programs import Program, chosen
from keras_bsd.layers.readout import Readout
from keras_bsd.layers.spiking_lif import SpikingLIF
from keras_bsd.layers.spiking_recurrent import SpikingRecurrent
from keras_bsd.layers.stages import SpikingStage, Stage, flatten_stages
from keras_bsd.models.streamer import gives_each_element, of_any_length

STATE, NEXT = "state/", "next_state/"


def step(model, outputs):
    """One moment of a network: states are further inputs `state/...`, outputs `next_state/...`.

    A moment is a time step or, of recurrent stages, an element. All states start at zero. Of a series a
    program takes in one moment, a stimulus that is held it takes in at every step.

    Args:
        model: built functional or Sequential Keras model.
        outputs: names, of `OUTPUTS`, for this moment alone; but readouts of time steps give the scores
            of the firing rates so far.

    Raises:
        ValueError: a layer besides the stages looks at more than one moment.
    """
    if not flatten_stages(model, SpikingStage):
        raise ValueError(f"A network without spiking stages has no time steps. Received: {model.name!r}")
    make = _element if is_recurrent(model) else _time_step
    program = make(model, outputs)
    _check_is_the_whole(model, make(model, ("scores",)))
    return program


def is_recurrent(model):
    """Whether the network takes sequences element by element, each for some time steps."""
    return bool(flatten_stages(model, SpikingRecurrent))


def takes_series(model):
    """Whether the input has an axis of moments, or is a stimulus that the first stage holds."""
    return is_recurrent(model) or all(s.timesteps is None for s in flatten_stages(model, SpikingStage))


def timesteps(model):
    """How many the whole network takes: of a stimulus, a series, or one element of a sequence."""
    stage = flatten_stages(model, SpikingStage)[0]
    return stage.output.shape[2 if is_recurrent(model) else 1]


def run(function, states, model, x):
    """What the moments of a network give together, by name as the whole network gives it.

    Args:
        function: from a dict of a moment's inputs to one of its outputs.
        states: shape of one sample of each state by name.
        model: the network.
        x: stimuli `(batch, ...)` of the whole network.
    """
    state, given = {name: np.zeros((len(x), *shape), "float32") for name, shape in states.items()}, []
    for t in range(x.shape[1] if takes_series(model) else timesteps(model)):
        outputs = function({"stimulus": x[:, t] if takes_series(model) else x, **state})
        state = {name: outputs.pop(NEXT + name.removeprefix(STATE)) for name in states}
        given.append(outputs)
    together = {
        "scores": _in_a_row if gives_each_element(model) else lambda moments: moments[-1],
        "spike_counts": sum,
        "firing_rates": _mean,
        "spikes": functools.partial(np.concatenate, axis=1),
    }
    return {name: together[name.split("/")[0]]([moment[name] for moment in given]) for name in given[0]}


def _mean(moments):
    return sum(moments) / len(moments)


def _in_a_row(moments):
    return np.stack([ops.convert_to_numpy(moment) for moment in moments], axis=1)


def _element(model, outputs):
    (stimulus,) = model.inputs
    network = of_any_length(model)
    carrying = [layer for layer in flatten_stages(model, keras.layers.Layer) if hasattr(layer, "state_names")]
    names = {layer.path: [f"{STATE}{layer.name}/{part}" for part in layer.state_names] for layer in carrying}
    inputs = {"stimulus": (tuple(stimulus.shape[2:]), stimulus.dtype)}
    for layer in carrying:
        shapes = [tuple(state.shape[1:]) for state in layer.get_initial_state(1)]
        inputs |= {name: (shape, "float32") for name, shape in zip(names[layer.path], shapes, strict=True)}

    def call(tensors):
        before = {path: [tensors[name] for name in parts] for path, parts in names.items()}
        element = ops.expand_dims(tensors["stimulus"], 1)
        with CarriedState(before) as carried:
            scores, trains = observation.observe(network, element, observation.spike_trains)
        after = {
            NEXT + name.removeprefix(STATE): state
            for path, states in carried.states.items()
            for name, state in zip(names[path], states, strict=True)
        }
        return {**chosen(outputs, scores[:, 0] if gives_each_element(model) else scores, trains), **after}

    return Program(inputs, call)


def _time_step(model, outputs):
    (stimulus,), series = model.inputs, takes_series(model)
    names = {}
    for stage in flatten_stages(model):
        parts = stage.neuron.cell.state_names if isinstance(stage, SpikingStage) else ("steps", "spikes")
        names[stage.name] = [f"{STATE}{stage.name}/{part}" for part in parts]
    readouts = flatten_stages(model, Readout)
    inputs = {"stimulus": (tuple(stimulus.shape[2 if series else 1 :]), stimulus.dtype)}
    for stage in flatten_stages(model):
        shapes = [(), stage.input_features] if isinstance(stage, Readout) else [stage.output_features] * 2
        inputs |= {name: (shape, "float32") for name, shape in zip(names[stage.name], shapes, strict=False)}

    def call(tensors):
        after = {}

        def fire(stage, inputs, training):
            currents = stage.respond(inputs, training)
            before = [tensors[name] for name in names[stage.name]]
            spikes, states = stage.neuron.cell(currents[:, 0], before)
            after.update(zip(names[stage.name], states, strict=True))
            spikes = ops.expand_dims(spikes, 1)
            return spikes, spikes

        def read(readout, drive, spikes, training):
            steps, total = (tensors[name] for name in names[readout.name])
            steps, total = steps + 1, total + spikes[:, 0]
            after.update(zip(names[readout.name], (steps, total), strict=True))
            rates = total / ops.reshape(steps, (-1, *[1] * (len(total.shape) - 1)))
            return drive(ops.expand_dims(rates, 1), training)

        with contextlib.ExitStack() as replacements:
            for readout in readouts:
                drive = functools.partial(read, readout, readout.drive)
                replacements.enter_context(observation.replaced(readout, "drive", drive))
            moment = tensors["stimulus"]
            moment = ops.expand_dims(moment, 1) if series else moment
            scores, trains = observation.observe(model, moment, fire)
        states = {NEXT + name.removeprefix(STATE): state for name, state in after.items()}
        return {**chosen(outputs, scores, trains), **states}

    return Program(inputs, call)


def _check_is_the_whole(model, program):
    """Raise unless the moments together give what the network gives."""
    others = [layer for layer in flatten_stages(model, keras.layers.Layer) if not isinstance(layer, Stage)]
    others = [layer for layer in others if not isinstance(layer, keras.layers.InputLayer)]
    timed = (isinstance(layer, (SpikingLIF, keras.layers.RNN)) for layer in others)
    makes_steps = (hasattr(layer, "timesteps") for layer in others)
    if any(timed) or any(makes_steps) or not _gives_the_same(model, program):
        raise ValueError(
            "The network cannot be streamed: its steps, one after the other, do not give what it gives as a "
            "whole. A layer besides its stages looks at more than one time step, or makes time steps of its "
            f"own. Received: besides stages the layers {', '.join(repr(layer.name) for layer in others)}"
        )


def _gives_the_same(model, program):
    """Whether scores are the same for stimuli drawn at random."""
    shape = [3 if length is None else length for length in model.input_shape[1:]]
    x = np.random.default_rng(0).uniform(0, 2, (8, *shape)).astype(model.inputs[0].dtype)
    states = {name: shape for name, (shape, _) in program.inputs.items() if name.startswith(STATE)}

    def function(inputs):
        return program.call({name: ops.convert_to_tensor(value) for name, value in inputs.items()})

    try:
        scores = run(function, states, model, x)["scores"]
    except ValueError:  # a layer wants all steps at once
        return False
    scores, expected = map(ops.convert_to_numpy, (scores, model(x, training=False)))
    return np.allclose(scores, expected, atol=1e-4)
